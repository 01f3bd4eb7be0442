"""SDS beside the Workload API (Envoy's SecretDiscoveryService): an Envoy of a workload takes its leaf from its node.

A stream is one identity's: that which `node.id` of its first request names, when the caller may have it. It is answered
`default`, the leaf with its key, and each trust domain's anchors under that domain's SPIFFE ID.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterator
from datetime import datetime

from envoy.extensions.transport_sockets.tls.v3 import secret_pb2
from envoy.service.discovery.v3 import discovery_pb2
from google.protobuf.message import DecodeError

from gateways.identity.answers import Book, leaf_for, subjects_of
from gateways.identity.messages import Invalid
from gateways.identity.registered import Caller
from gateways.render.envoy.common import OWN_SECRET
from gateways.render.envoy.resources import Certificate
from gateways.xds.hub import Hub, World
from gateways.xds.messages import SDS, Resource, Snapshot
from gateways.xds.wire import Bodies

STREAM_SECRETS = "/envoy.service.secret.v3.SecretDiscoveryService/StreamSecrets"


def read_request(data: bytes | None) -> discovery_pb2.DiscoveryRequest:
    """One request. Invalid (E120) when it is none."""
    try:
        return discovery_pb2.DiscoveryRequest.FromString(data or b"")
    except DecodeError:
        raise Invalid("request for secrets cannot be read", "E120") from None


def secrets_for(book: Book, caller: Caller, named: str, now: datetime) -> Snapshot:
    """All that an Envoy of this identity may ask for. Refused (E105) when the caller may not act as it, Invalid when
    none is named, Unavailable while its certificate is not at hand.
    """
    if not named:
        raise Invalid("node.id is missing: set it to the SPIFFE ID of the workload", "E105")
    (identity,) = subjects_of(book, caller, named)
    made = [_leaf(leaf_for(book, identity, now)), *_anchors(book)]
    return {SDS: {one.name: _resource(one) for one in made}}


def _leaf(held: Certificate) -> secret_pb2.Secret:
    made = secret_pb2.Secret(name=OWN_SECRET)
    made.tls_certificate.certificate_chain.inline_string = held.chain
    made.tls_certificate.private_key.inline_string = held.key
    return made


def _anchors(book: Book) -> Iterator[secret_pb2.Secret]:
    pems = {one.trust_domain: one.pem for one in book.anchors}
    pems |= {one.trust_domain: one.anchors for one in book.foreign if one.anchors}
    for domain, pem in pems.items():
        made = secret_pb2.Secret(name=f"spiffe://{domain}")
        made.validation_context.trusted_ca.inline_string = pem
        yield made


def _resource(secret: secret_pb2.Secret) -> Resource:
    body = secret.SerializeToString(deterministic=True)
    return Resource(name=secret.name, version=hashlib.sha256(body).hexdigest()[:16], body=body)


class SecretStream:
    """One open stream of an Envoy."""

    def __init__(self, write: Callable[[bytes], Awaitable[None]]) -> None:
        self._hub = Hub(Bodies(), asyncio.Event())
        self._write = write

    async def follow(self, found: AsyncIterable[Snapshot]) -> None:
        """Answer from each of these until the next one."""
        async for snapshot in found:
            self._hub.offer(snapshot)

    async def serve(self, first: discovery_pb2.DiscoveryRequest, requests: AsyncIterator[bytes]) -> None:
        """Answer until the client ends the stream. Flooded, Invalid."""
        await self._hub.serve(World, _read(requests), self._write, (first,))


async def _read(requests: AsyncIterator[bytes]) -> AsyncIterator[discovery_pb2.DiscoveryRequest]:
    async for data in requests:
        yield read_request(data)
