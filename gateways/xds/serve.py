"""The xDS server on a unix socket, for the node's own Envoys: both variants of ADS, one view for all."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any

import grpc
import grpc.aio

from federation.model.errors import Unavailable
from gateways.folder import check_socket_path
from gateways.xds.admission import Admission, Limits
from gateways.xds.hub import SERVICE, VARIANTS, Bounds, Flooded, Hub, Variant
from gateways.xds.messages import Snapshot
from gateways.xds.refusal import Refused
from gateways.xds.wire import Bodies

REQUEST_MAX = 64 * 1024 * 1024
STRANGERS_MAX = 1024 * 1024
"""Bytes of one request: of our own Envoy, and of any program of this machine."""

OWN = Bounds(held=10_000_000, name=4_096)
"""Our own Envoy asks for what we planned: a thousand services times a hundred workloads are 300,000 names."""

STRANGERS = Bounds(held=4_000, name=512)
"""What a program without a proxy needs of it: four resources for each port that it dials."""

STREAMS_MAX = 4
"""Streams of one connection of a program; gRPC's client opens one."""

Serve = Callable[[Variant, AsyncIterator[Any], Any], Awaitable[None]]


class XdsServer:
    """Serves one snapshot to every Envoy that connects. `changed` is set when an Envoy came, left or answered.

    Before the first `offer` an Envoy waits: an answer of nothing would take down what it has from an earlier run.
    """

    def __init__(
        self, path: Path, also: Iterable[grpc.GenericRpcHandler] = (), everybody: Limits | None = None
    ) -> None:
        """`also` are other services on the same socket. With `everybody` programs of each user of this machine come, by
        the agent's door, within these limits.
        """
        self.changed = asyncio.Event()
        self._path = path
        self._also = tuple(also)
        self._hub = Hub(Bodies(), self.changed, OWN if everybody is None else STRANGERS)
        self._admission = None if everybody is None else Admission(everybody)
        self._server: grpc.aio.Server | None = None

    async def start(self) -> None:
        """Listen. InputError when the socket's path is too long for a unix socket (unix(7))."""
        check_socket_path(self._path)
        with contextlib.suppress(FileNotFoundError):
            self._path.unlink()
        self._server = grpc.aio.server(options=self._options)
        self._server.add_generic_rpc_handlers((handlers(self._serve), *self._also))
        self._server.add_insecure_port(f"unix:{self._path}")
        await self._server.start()
        self._path.chmod(0o600)

    @property
    def _options(self) -> tuple[tuple[str, int], ...]:
        if self._admission is None:
            return (("grpc.max_receive_message_length", REQUEST_MAX),)
        return (("grpc.max_receive_message_length", STRANGERS_MAX), ("grpc.max_concurrent_streams", STREAMS_MAX))

    async def stop(self) -> None:
        """Close every stream and remove the socket; Envoy keeps what it has."""
        if self._server is not None:
            await self._server.stop(None)
        with contextlib.suppress(FileNotFoundError):
            self._path.unlink()

    def offer(self, snapshot: Snapshot, changed: Iterable[tuple[str, str]] | None = None) -> None:
        """Serve this content from now on. `changed`: the (type URL, name) that can differ; None: all."""
        self._hub.offer(snapshot, changed)

    def retry(self) -> None:
        """Send again what was refused for a reason that may have passed."""
        self._hub.retry()

    @property
    def connected(self) -> bool:
        """True when an Envoy is connected."""
        return self._hub.connected

    def settled(self) -> bool:
        """True when an Envoy is connected and all that are hold the whole snapshot."""
        return self._hub.settled()

    def holds(self, type_url: str) -> bool:
        """True when an Envoy is connected and all that are asked for this type and hold what they asked for."""
        return self._hub.holds(type_url)

    def refused(self) -> tuple[Refused, ...]:
        """What the connected Envoys refuse."""
        return self._hub.refused()

    def problems(self) -> tuple[str, ...]:
        """The same, one line each."""
        return self._hub.problems()

    async def _serve(self, variant: Variant, requests: AsyncIterator[Any], context: Any) -> None:
        if self._admission is None:
            await self._hub.serve(variant, requests, context.write)
            return
        try:
            wait = self._admission.enter("this machine", asyncio.get_running_loop().time())
        except Unavailable as error:
            await context.abort(grpc.StatusCode.UNAVAILABLE, str(error))
        try:
            await asyncio.sleep(wait)
            await self._hub.serve(variant, requests, context.write)
        finally:
            self._admission.leave("this machine")


def handlers(serve: Serve) -> Any:
    """The gRPC handlers of both variants."""
    methods = {variant.method: _handler(variant, serve) for variant in VARIANTS}
    return grpc.method_handlers_generic_handler(SERVICE, methods)


def _handler(variant: Variant, serve: Serve) -> Any:
    async def run(requests: AsyncIterator[Any], context: Any) -> None:
        try:
            await serve(variant, requests, context)
        except Flooded:
            text = "the client asks for too much, or does not read what it is answered; ask for less, or connect anew"
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, text)

    return grpc.stream_stream_rpc_method_handler(
        run, request_deserializer=variant.message.FromString, response_serializer=bytes
    )
