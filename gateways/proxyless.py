"""The xDS of gRPC programs of this node that use no proxy: what they may dial, on a socket of their own."""

from collections.abc import Iterable
from pathlib import Path

from federation.model.names import ServiceKey
from gateways.door import Door
from gateways.folder import grpc_inner_socket, grpc_socket
from gateways.render.envoy.proxyless import proxyless_parts
from gateways.service_states import ABSENT
from gateways.state import NodeState
from gateways.xds.admission import Limits
from gateways.xds.encode import Encoder, encoded
from gateways.xds.serve import XdsServer

LIMITS = Limits(streams=1_000, of_one=1_000, burst=100, rate=100)


class Proxyless:
    """Offers addresses, and nothing else: no secret, no identity. So every user of the node may ask."""

    def __init__(self, workload_path: Path | None) -> None:
        """Serves beside the Workload API; where there is none, nobody."""
        self._server: XdsServer | None = None
        if workload_path is not None:
            path = grpc_socket(workload_path)
            behind = grpc_inner_socket(workload_path)
            self._server, self._door = XdsServer(behind, everybody=LIMITS), Door(path, behind)
        self._encoder = Encoder()
        self._touched: set[ServiceKey] = set()
        self._offered: set[ServiceKey] = set()
        self._begun = False

    async def run(self) -> None:
        """Serve until cancelled; programs then keep what they have."""
        if self._server is not None:
            await self._server.start()
            try:
                self._door.start()
                await self._door.run()
            finally:
                await self._server.stop()

    def note(self, services: Iterable[ServiceKey]) -> None:
        """These services are others now."""
        self._touched.update(services)

    async def offer(self, state: NodeState) -> None:
        """What became of the services that were noted since the last time.

        Unknown is not empty: before a handout, and when it is lost, programs keep what they have.
        """
        touched, self._touched = self._touched, set()
        if not state.known or self._server is None:
            self._begun = False
            return
        due = touched if self._begun else self._offered | state.services.keys()
        if self._begun and not due:
            return
        made = {str(key): tuple(proxyless_parts(state.services.get(key, ABSENT))) for key in due}
        content = await encoded(self._encoder, made)
        self._offered = (self._offered | due) & state.services.keys()
        self._begun = True
        self._server.offer(content.snapshot, content.changed)
