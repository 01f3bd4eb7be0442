"""The xDS of gRPC programs of this node that use no proxy: what they may dial, on a socket of their own."""

import asyncio
from collections.abc import Iterable
from pathlib import Path

from federation.model.names import ServiceKey
from gateways.render.envoy.proxyless import proxyless_parts
from gateways.service_states import ABSENT
from gateways.state import NodeState
from gateways.xds.admission import Limits
from gateways.xds.encode import Encoder
from gateways.xds.serve import XdsServer

LIMITS = Limits(streams=1_000, of_one=1_000, burst=100, rate=100)

AT_ONCE = 64
"""Services that are encoded in the loop; more are in a thread."""


class Proxyless:
    """Offers addresses, and nothing else: no secret, no identity. So every user of the node may ask."""

    def __init__(self, path: Path) -> None:
        self.server = XdsServer(path, everybody=LIMITS)
        self._encoder = Encoder()
        self._offered: set[ServiceKey] = set()
        self._begun = False

    async def offer(self, state: NodeState, touched: Iterable[ServiceKey]) -> None:
        """`touched` are the services that are others than at the last call.

        Unknown is not empty: before a handout, and when it is lost, programs keep what they have.
        """
        if not state.known:
            self._begun = False
            return
        due = set(touched) if self._begun else self._offered | state.services.keys()
        if self._begun and not due:
            return
        parts = {str(key): tuple(proxyless_parts(state.services.get(key, ABSENT))) for key in due}
        if len(parts) > AT_ONCE:
            encoded = await asyncio.to_thread(self._encoder.encode, parts)
        else:
            encoded = self._encoder.encode(parts)
        self._offered = (self._offered | due) & state.services.keys()
        self._begun = True
        self.server.offer(encoded.snapshot, encoded.changed)
