"""The pinned dialler: gRPC over TLS 1.3 where the peer's exact SPIFFE ID is checked before the first request.

grpcio clients cannot verify a SPIFFE peer, so this is the only way in which our programs dial (lint bans the other).
"""

import asyncio
import ssl
from typing import Any, Protocol, cast

from grpclib.client import Channel
from grpclib.encoding.base import CodecBase
from grpclib.protocol import H2Protocol

from federation.link.tls import check_peer
from federation.model.errors import Refused
from federation.model.spiffe import SpiffeId
from federation.telemetry import split_address

EXCHANGE = "/isthmus.v1.Link/Exchange"
ISSUE = "/isthmus.v1.Link/Issue"
ATTEST = "/isthmus.v1.Link/Attest"
READ = "/isthmus.v1.Link/Read"
TOKEN = "/isthmus.v1.Link/Token"  # noqa: S105 - the path of a call
DIAL_SECONDS = 5.0
MESSAGE_MAX = 4 * 1024 * 1024


class BytesCodec(CodecBase):
    """Messages are bytes already."""

    __content_subtype__ = "proto"

    def encode(self, message: Any, message_type: Any) -> bytes:
        """The message itself."""
        return cast(bytes, message)

    def decode(self, data: bytes, message_type: Any) -> Any:
        """The data itself."""
        return data


class PinnedChannel(Channel):
    """A grpclib channel to `ip:port` that only ever speaks to `expect`."""

    def __init__(self, address: str, context: ssl.SSLContext, expect: SpiffeId) -> None:
        """Nothing is dialled before the first call."""
        host, port = split_address(address, "address")
        super().__init__(host, port, ssl=context, codec=BytesCodec())
        self._expect = expect

    def close(self) -> None:
        """Close at once."""
        hang_up(self)

    async def _create_connection(self) -> H2Protocol:
        async with asyncio.timeout(DIAL_SECONDS):
            transport, protocol = await self._loop.create_connection(
                self._protocol_factory, self._host, self._port, ssl=self._ssl, server_hostname=""
            )
        tls = transport.get_extra_info("ssl_object")
        try:
            check_peer(tls.getpeercert(binary_form=True), self._expect)
        except Exception:
            transport.abort()
            raise
        return protocol


def hang_up(channel: Channel) -> None:
    """Close this channel at once: a TLS goodbye that the other end does not answer would keep its socket."""
    transport = getattr(channel._protocol and channel._protocol.connection, "_transport", None)
    Channel.close(channel)
    if transport is not None:
        transport.abort()


class Readable(Protocol):
    """What grpclib reads a message from: first its 5-byte header, then the length that the header names."""

    async def recv_data(self, size: int) -> bytes:
        """Exactly this many bytes, or none at the end."""


def bound(raw: Readable) -> None:
    """Let no message be longer than MESSAGE_MAX: grpclib by itself gathers whatever length a peer names."""
    unbound = raw.recv_data

    async def recv_data(size: int) -> bytes:
        if size > MESSAGE_MAX:
            raise Refused(f"peer announced a message of {size} bytes, limit {MESSAGE_MAX}; stream closed", "E117")
        return await unbound(size)

    raw.recv_data = recv_data  # type: ignore[method-assign]
