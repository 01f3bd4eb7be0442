"""The central xDS port: mutual TLS, each client bound to its SVID, each served the view that is meant for it.

A client is a gRPC program or an Envoy of its own beside a workload (`Kind`). Its certificate must chain to the own
member's anchors, which its node id names again: a stream is the identity's, whatever else the node says of itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any, Literal

import grpc
import grpc.aio

from federation.link.leaf import Leaf
from federation.link.serve import caller_of
from federation.model.errors import InputError, Refused, Unavailable
from federation.model.spiffe import SpiffeId
from gateways import metrics
from gateways.xds.admission import Admission, Limits
from gateways.xds.hub import Hub, Variant
from gateways.xds.messages import Snapshot
from gateways.xds.serve import handlers
from gateways.xds.wire import Bodies

Kind = Literal["grpc", "sidecar"]

NO_OVERPROVISIONING = "envoy.lb.does_not_support_overprovisioning"
"""What gRPC says of itself: it spills only as a whole, so its split must be computed for it (gRPC proposal A27)."""

FIRST_SECONDS = 10.0
"""How long a stream may take to say who it is."""

AGE_SECONDS = 1_800
"""After this, 10 % more or less, a client is asked to connect anew: nobody lives on an old certificate for longer, and
clients spread over the servers there are. gRPC adds the jitter (gRPC proposal A9)."""

# The probe of the line, write buffers and header tables are for bulk: without them a stream takes 7 KB less (measured).
OPTIONS = [
    ("grpc.max_receive_message_length", 16 * 1024 * 1024),
    ("grpc.max_concurrent_streams", 8),
    ("grpc.http2.bdp_probe", 0),
    ("grpc.http2.write_buffer_size", 8_192),
    ("grpc.http2.hpack_table_size.decoder", 0),
    ("grpc.http2.hpack_table_size.encoder", 0),
    ("grpc.so_reuseport", 0),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
    ("grpc.max_connection_age_ms", AGE_SECONDS * 1_000),
    ("grpc.max_connection_age_grace_ms", 30_000),
    ("grpc.server.max_pending_requests", 20_000),
    ("grpc.server.max_pending_requests_hard_limit", 40_000),
]

View = Callable[[SpiffeId, Kind], str]
"""The name of what this client is to see; those with equal names share everything. Refused when it may see nothing."""

Credentials = Callable[[], tuple[Leaf, str]]
"""Our leaf and the PEM of the own member's anchors, as they are now; asked for each handshake."""


class CentralServer:
    """Serves views. `changed` is set when `wanted` is another, and when a client answered."""

    def __init__(self, credentials: Credentials, view: View, limits: Limits | None = None) -> None:
        self.changed = asyncio.Event()
        self._credentials = credentials
        self._view = view
        self._admission = Admission(limits or Limits())
        self._bodies = Bodies()
        self._hubs: dict[str, Hub] = {}
        self._seen: tuple[Leaf, str] | None = None
        self._server: grpc.aio.Server | None = None
        self._streams: dict[asyncio.Task[Any], tuple[SpiffeId, Kind, str]] = {}
        self._moved: set[asyncio.Task[Any]] = set()
        self.port = 0

    async def start(self, address: str) -> None:
        """Listen on `ip:port`, and say in `port` which it is. InputError (E122) when it is in use or not ours."""
        self._server = grpc.aio.server(options=OPTIONS)
        self._server.add_generic_rpc_handlers((handlers(self._serve),))
        self._seen = self._credentials()
        secure = grpc.dynamic_ssl_server_credentials(_configuration(self._seen), self._fresh, True)
        try:
            self.port = self._server.add_secure_port(address, secure)
        except RuntimeError:
            text = f'--xds-listen "{address}": cannot be bound; choose another address or port'
            raise InputError(text, "E122") from None
        await self._server.start()

    async def stop(self) -> None:
        """Close every stream; clients keep what they have."""
        if self._server is not None:
            await self._server.stop(None)

    @property
    def wanted(self) -> frozenset[str]:
        """The views that somebody is connected for."""
        return frozenset(self._hubs)

    @property
    def waiting(self) -> frozenset[str]:
        """The views that somebody is connected for and that were not offered yet."""
        return frozenset(view for view, hub in self._hubs.items() if not hub.offered)

    @property
    def streams(self) -> int:
        """How many streams are open."""
        return self._admission.streams

    def offer(self, view: str, snapshot: Snapshot, changed: Iterable[tuple[str, str]] | None = None) -> None:
        """Serve this content as this view from now on. A view that nobody wants is not kept: offer it when it is.

        `changed`: the (type URL, name) that can differ from what was offered before; None: all.
        """
        hub = self._hubs.get(view)
        if hub is not None:
            hub.offer(snapshot, changed)

    def follow(self) -> None:
        """Who is to see what may be another now: end the streams of those whose view is, so that they come again."""
        for task, (identity, kind, view) in self._streams.items():
            if self._view(identity, kind) != view and task not in self._moved:
                self._moved.add(task)
                task.cancel()

    def retry(self) -> None:
        """Send again what was refused for a reason that may have passed."""
        for hub in self._hubs.values():
            hub.retry()

    def settled(self) -> bool:
        """True when every client acknowledged all that it asked for."""
        return all(hub.settled() for hub in self._hubs.values())

    def problems(self) -> tuple[str, ...]:
        """What clients refuse, with the view it is part of."""
        return tuple(f"{line} (view {view})" for view, hub in sorted(self._hubs.items()) for line in hub.problems())

    async def _serve(self, variant: Variant, requests: AsyncIterator[Any], context: Any) -> None:
        try:
            identity = caller_of(context)
            wait = self._admission.enter(str(identity), asyncio.get_running_loop().time())
        except Refused as error:
            await _end(context, grpc.StatusCode.PERMISSION_DENIED, error)
        except Unavailable as error:
            await _end(context, grpc.StatusCode.UNAVAILABLE, error)
        else:
            await self._admitted(variant, requests, context, identity, wait)

    async def _admitted(
        self, variant: Variant, requests: AsyncIterator[Any], context: Any, identity: SpiffeId, wait: float
    ) -> None:
        metrics.XDS_STREAMS.inc()
        task = asyncio.current_task()
        assert task is not None
        try:
            if wait:
                await asyncio.sleep(wait)
            async with asyncio.timeout(FIRST_SECONDS):
                first = await anext(requests)
            bound, kind = _bound(identity, first), kind_of(first.node.client_features)
            view = self._view(bound, kind)
            self._streams[task] = (bound, kind, view)
            await self._in(view, variant, requests, context, first)
        except StopAsyncIteration:
            return
        except asyncio.CancelledError:
            if task not in self._moved:
                raise
            task.uncancel()
            text = f"{identity}: what you are to see is another now; connect again"
            await _end(context, grpc.StatusCode.UNAVAILABLE, Unavailable(text))
        except TimeoutError:
            text = f"{identity} said nothing for {FIRST_SECONDS:g} s; connect again"
            await _end(context, grpc.StatusCode.DEADLINE_EXCEEDED, Unavailable(text))
        except Refused as error:
            await _end(context, grpc.StatusCode.PERMISSION_DENIED, error)
        finally:
            self._streams.pop(task, None)
            self._moved.discard(task)
            metrics.XDS_STREAMS.dec()
            self._admission.leave(str(identity))

    async def _in(self, view: str, variant: Variant, requests: AsyncIterator[Any], context: Any, first: Any) -> None:
        hub = self._hubs.get(view)
        if hub is None:
            hub = self._hubs[view] = Hub(self._bodies, self.changed)
            self.changed.set()
        try:
            await hub.serve(variant, requests, context.write, (first,))
        finally:
            if hub.idle and self._hubs.get(view) is hub:
                del self._hubs[view]

    def _fresh(self) -> Any:
        current = self._credentials()
        if current == self._seen:
            return None
        self._seen = current
        return _configuration(current)


def kind_of(features: Iterable[str]) -> Kind:
    """Which kind of client says this of itself (Node.client_features)."""
    return "grpc" if NO_OVERPROVISIONING in features else "sidecar"


def _bound(identity: SpiffeId, first: Any) -> SpiffeId:
    """The identity, when the node id of the first request says it too. Refused (E105) otherwise."""
    if first.node.id != str(identity):
        said = first.node.id[:80]
        raise Refused(f"node id {said!r} is not the SPIFFE ID of the certificate; set it to {identity}", "E105")
    return identity


def _configuration(current: tuple[Leaf, str]) -> Any:
    leaf, anchors = current
    pair = (leaf.key.encode(), leaf.chain.encode())
    return grpc.ssl_server_certificate_configuration([pair], anchors.encode())


async def _end(context: Any, code: grpc.StatusCode, error: Refused | Unavailable) -> None:
    metrics.XDS_REFUSALS.labels(code.name.lower()).inc()
    await context.abort(code, str(error))
