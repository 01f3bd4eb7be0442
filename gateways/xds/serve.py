"""The xDS server on a unix socket: bytes in and out of the pure streams, for the node's own Envoy."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

import grpc
import grpc.aio
from envoy.service.discovery.v3 import discovery_pb2
from google.protobuf import any_pb2

from gateways import metrics
from gateways.folder import check_socket_path
from gateways.xds.messages import Request, Response, Snapshot
from gateways.xds.session import Stream

log = logging.getLogger("xds")

SERVICE = "envoy.service.discovery.v3.AggregatedDiscoveryService"


class Client:
    """One connected Envoy: its stream, and the event that something is to be sent."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.stream = Stream(snapshot)
        self.wake = asyncio.Event()


class XdsServer:
    """Serves one snapshot to every Envoy that connects. `changed` is set when an Envoy came, left or answered.

    Before the first `offer` an Envoy waits: an answer of nothing would take down what it has from an earlier run.
    """

    def __init__(self, path: Path, also: Iterable[grpc.GenericRpcHandler] = ()) -> None:
        """`also` are other services on the same socket."""
        self.changed = asyncio.Event()
        self._path = path
        self._also = tuple(also)
        self._snapshot: Snapshot = {}
        self._clients: set[Client] = set()
        self._offered = asyncio.Event()
        self._server: grpc.aio.Server | None = None

    async def start(self) -> None:
        """Listen. InputError when the socket's path is too long for a unix socket (unix(7))."""
        check_socket_path(self._path)
        with contextlib.suppress(FileNotFoundError):
            self._path.unlink()
        handler = grpc.stream_stream_rpc_method_handler(
            self._serve,
            request_deserializer=discovery_pb2.DeltaDiscoveryRequest.FromString,
            response_serializer=bytes,
        )
        self._server = grpc.aio.server(options=(("grpc.max_receive_message_length", 64 * 1024 * 1024),))
        methods = {"DeltaAggregatedResources": handler}
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, methods), *self._also))
        self._server.add_insecure_port(f"unix:{self._path}")
        await self._server.start()
        self._path.chmod(0o600)

    async def stop(self) -> None:
        """Close every stream and remove the socket; Envoy keeps what it has."""
        if self._server is not None:
            await self._server.stop(None)
        with contextlib.suppress(FileNotFoundError):
            self._path.unlink()

    def offer(self, snapshot: Snapshot, changed: frozenset[tuple[str, str]] | None = None) -> None:
        """Serve this content from now on. `changed` are the (type URL, name) that differ from what was offered last;
        None: all may.
        """
        self._snapshot = snapshot
        self._offered.set()
        for client in self._clients:
            client.stream.update(snapshot)
            client.wake.set()

    def retry(self) -> None:
        """Send again what was refused for a reason that may have passed."""
        for client in self._clients:
            client.stream.retry()
            client.wake.set()

    @property
    def connected(self) -> bool:
        """True when an Envoy is connected."""
        return bool(self._clients)

    def settled(self) -> bool:
        """True when an Envoy is connected and all that are hold the whole snapshot."""
        return self.connected and all(client.stream.settled() for client in self._clients)

    def holds(self, type_url: str) -> bool:
        """True when an Envoy is connected and all that are asked for this type and hold what they asked for."""
        return self.connected and all(client.stream.holds(type_url) for client in self._clients)

    def problems(self) -> tuple[str, ...]:
        """What the connected Envoys refuse."""
        return tuple(sorted({line for client in self._clients for line in client.stream.problems()}))

    async def _serve(
        self, requests: AsyncIterator[discovery_pb2.DeltaDiscoveryRequest], context: grpc.aio.ServicerContext
    ) -> AsyncIterator[bytes]:
        await self._offered.wait()
        client = Client(self._snapshot)
        self._clients.add(client)
        self.changed.set()
        reader = asyncio.create_task(self._read(client, requests))
        try:
            while not reader.done():
                while client.stream.output:
                    yield response_bytes(client.stream.output.popleft())
                await client.wake.wait()
                client.wake.clear()
            await reader
        finally:
            reader.cancel()
            self._clients.discard(client)
            self.changed.set()

    async def _read(self, client: Client, requests: AsyncIterator[discovery_pb2.DeltaDiscoveryRequest]) -> None:
        try:
            async for message in requests:
                nacks = client.stream.nacks
                client.stream.receive(request_of(message))
                if client.stream.nacks > nacks:
                    self._log_refusal(message)
                client.wake.set()
                self.changed.set()
        finally:
            client.wake.set()

    def _log_refusal(self, message: discovery_pb2.DeltaDiscoveryRequest) -> None:
        kind = message.type_url.rpartition(".")[2]
        metrics.XDS_NACKS.labels(kind).inc()
        log.warning("envoy refused a resource", extra={"type": kind, "error": message.error_detail.message})


def request_of(message: discovery_pb2.DeltaDiscoveryRequest) -> Request:
    """The request without protobuf. A NACK is told by error_detail alone."""
    return Request(
        type_url=message.type_url,
        nonce=message.response_nonce,
        error=message.error_detail.message if message.HasField("error_detail") else None,
        subscribe=tuple(message.resource_names_subscribe),
        unsubscribe=tuple(message.resource_names_unsubscribe),
        initial=dict(message.initial_resource_versions),
    )


def response_bytes(response: Response) -> bytes:
    """The DeltaDiscoveryResponse on the wire."""
    resources = [
        discovery_pb2.Resource(
            name=resource.name,
            version=resource.version,
            resource=any_pb2.Any(type_url=response.type_url, value=resource.body),
        )
        for resource in response.resources
    ]
    message = discovery_pb2.DeltaDiscoveryResponse(
        type_url=response.type_url, nonce=response.nonce, resources=resources, removed_resources=response.removed
    )
    return bytes(message.SerializeToString())
