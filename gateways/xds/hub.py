"""The clients of one view: what is offered reaches each, and what they refuse is told. Neither sockets nor TLS."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from typing import Any

from envoy.service.discovery.v3 import discovery_pb2
from msgspec import Struct

from gateways import metrics
from gateways.xds import wire
from gateways.xds.messages import Snapshot
from gateways.xds.refusal import Refused
from gateways.xds.session import Stream
from gateways.xds.shelf import Shelf
from gateways.xds.world import WorldStream

log = logging.getLogger("xds")

SERVICE = "envoy.service.discovery.v3.AggregatedDiscoveryService"
OUTPUT_MAX = 4_096
"""Responses that wait to be read: a client that asks on and on and reads nothing has its stream ended."""

Write = Callable[[bytes], Awaitable[None]]


class Delta:
    """The incremental variant (DeltaAggregatedResources)."""

    method = "DeltaAggregatedResources"
    message = discovery_pb2.DeltaDiscoveryRequest

    def __init__(self, shelf: Shelf) -> None:
        self.stream = Stream(shelf)

    def receive(self, message: Any) -> None:
        """Take one request."""
        self.stream.receive(wire.delta_request(message))

    def next(self, bodies: wire.Bodies) -> bytes:
        """The oldest response that was not sent."""
        return bodies.delta(self.stream.output.pop(0))


class World:
    """The state-of-the-world variant (StreamAggregatedResources)."""

    method = "StreamAggregatedResources"
    message = discovery_pb2.DiscoveryRequest

    def __init__(self, shelf: Shelf) -> None:
        self.stream = WorldStream(shelf)

    def receive(self, message: Any) -> None:
        """Take one request."""
        self.stream.receive(wire.world_request(message))

    def next(self, bodies: wire.Bodies) -> bytes:
        """The oldest response that was not sent."""
        return bodies.world(self.stream.output.pop(0))


Variant = type[Delta] | type[World]
VARIANTS: tuple[Variant, ...] = (Delta, World)


class Bounds(Struct, frozen=True, kw_only=True):
    """What one client may make us remember: names that it wants, or was sent and did not acknowledge (`held`), and the
    characters of a name or a version.
    """

    held: int = 400_000
    name: int = 2_048


BOUNDS = Bounds()


GRACE = 5.0
"""Seconds that a write may take once nothing more is asked."""


class Flooded(Exception):
    """A client asked for more than OUTPUT_MAX responses without reading, or for more than its bounds allow."""


class Client:
    """One connected client. It writes in a task that lives while there is something to write."""

    def __init__(self, spoken: Delta | World, write: Write, bodies: wire.Bodies, bounds: Bounds) -> None:
        self._spoken = spoken
        self._bounds = bounds
        self.stream: Stream | WorldStream = spoken.stream
        self._write = write
        self._bodies = bodies
        self._writing: asyncio.Task[None] | None = None

    def receive(self, message: Any) -> None:
        """Take one request; what it makes due is on its way. Flooded when that is too much."""
        if wire.longest(message) > self._bounds.name:
            raise Flooded
        nacks = self.stream.nacks
        self._spoken.receive(message)
        if self.stream.nacks > nacks:
            kind = message.type_url.rpartition(".")[2]
            metrics.XDS_NACKS.labels(kind).inc()
            text = message.error_detail.message[: wire.ERROR_MAX]
            log.warning("envoy refused a resource", extra={"type": kind, "error": text})
        if len(self.stream.output) > OUTPUT_MAX or self.stream.held() > self._bounds.held:
            raise Flooded
        self.flush()

    def flush(self) -> None:
        """Send what is due. After a write that failed nothing more is sent: the stream is ending."""
        if self.stream.output and self._writing is None:
            self._writing = asyncio.create_task(self._drain())

    async def finish(self) -> None:
        """Nothing more is asked: what is being written gets to a client that reads."""
        if self._writing is not None:
            await asyncio.wait({self._writing}, timeout=GRACE)

    async def stop(self) -> None:
        """The stream ended: what could not be written is of no use to anyone."""
        if self._writing is not None:
            self._writing.cancel()
            await asyncio.gather(self._writing, return_exceptions=True)

    async def _drain(self) -> None:
        while self.stream.output:
            await self._write(self._spoken.next(self._bodies))
        self._writing = None


class Hub:
    """One view and its clients. `changed` is set when a client came, left or answered.

    Before the first `offer` a client waits: an answer of nothing would take down what it has from an earlier run.
    """

    def __init__(self, bodies: wire.Bodies, changed: asyncio.Event, bounds: Bounds = BOUNDS) -> None:
        self.clients: set[Client] = set()
        self._shelf = Shelf()
        self._bodies = bodies
        self._changed = changed
        self._bounds = bounds
        self._offered = asyncio.Event()
        self._waiting = 0

    @property
    def idle(self) -> bool:
        """True when nobody is connected, and nobody waits for the first offer."""
        return not self.clients and not self._waiting

    @property
    def offered(self) -> bool:
        """True when it has content to serve."""
        return self._offered.is_set()

    def offer(self, snapshot: Snapshot, changed: Iterable[tuple[str, str]] | None = None) -> None:
        """Serve this content from now on. `changed`: the (type URL, name) that can differ; None: all."""
        changes = self._shelf.offer(snapshot, changed)
        self._offered.set()
        if changes:
            for client in self.clients:
                client.stream.update(changes)
                client.flush()

    def retry(self) -> None:
        """Send again what was refused for a reason that may have passed."""
        for client in self.clients:
            client.stream.retry()
            client.flush()

    @property
    def connected(self) -> bool:
        """True when a client is connected."""
        return bool(self.clients)

    def settled(self) -> bool:
        """True when a client is connected and all that are hold the whole view."""
        return self.connected and all(client.stream.settled() for client in self.clients)

    def holds(self, type_url: str) -> bool:
        """True when a client is connected and all that are asked for this type and hold what they asked for."""
        return self.connected and all(client.stream.holds(type_url) for client in self.clients)

    def refused(self) -> tuple[Refused, ...]:
        """What the connected clients refuse."""
        return tuple(sorted({one for client in self.clients for one in client.stream.refused()}))

    def problems(self) -> tuple[str, ...]:
        """The same, one line each."""
        return tuple(map(str, self.refused()))

    async def serve(
        self, variant: Variant, requests: AsyncIterator[Any], write: Write, first: Sequence[Any] = ()
    ) -> None:
        """Serve one stream until its client ends it. `first` are requests that were read from it already. Flooded when
        the client asks without reading.
        """
        await self._wait()
        client = Client(variant(self._shelf), write, self._bodies, self._bounds)
        self.clients.add(client)
        self._changed.set()
        try:
            for message in first:
                client.receive(message)
            async for message in requests:
                client.receive(message)
                self._changed.set()
        except asyncio.CancelledError:
            await client.finish()
            raise
        finally:
            self.clients.discard(client)
            self._changed.set()
            await client.stop()

    async def _wait(self) -> None:
        self._waiting += 1
        try:
            await self._offered.wait()
        finally:
            self._waiting -= 1
