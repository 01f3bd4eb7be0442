"""A length that a peer announces is not believed."""

import asyncio
import ssl
from pathlib import Path

import pytest
from grpclib.client import StreamStreamMethod
from grpclib.const import Cardinality, Handler
from grpclib.server import Server, Stream

from federation.link.dial import EXCHANGE, MESSAGE_MAX, BytesCodec, PinnedChannel, bound
from federation.link.leaf import Leaf
from federation.link.tls import client_context
from federation.model.errors import Refused
from federation.model.spiffe import parse_spiffe
from tests.worlds.attacks import VICTIM, Bed, Pair


class Flood:
    """A controller that announces more than it may."""

    async def exchange(self, stream: Stream[bytes, bytes]) -> None:
        await stream.recv_message()
        await stream.send_message(b"small")
        await stream.send_message(bytes(MESSAGE_MAX + 1))

    def __mapping__(self) -> dict[str, Handler]:
        return {EXCHANGE: Handler(self.exchange, Cardinality.STREAM_STREAM, bytes, bytes)}


def context_of(pair: Pair, path: Path) -> ssl.SSLContext:
    pem = path / "pem"
    pem.write_text(pair.key + pair.chain)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_alpn_protocols(["h2"])
    context.load_cert_chain(pem)
    return context


def test_a_message_over_the_limit_closes_the_stream_before_it_is_gathered(tmp_path: Path) -> None:
    bed = Bed("constrained")
    own = Leaf(id=VICTIM, key=bed.honest.key, chain=bed.honest.chain, not_before=0, not_after=2**40)

    async def main() -> None:
        server = Server([Flood()], codec=BytesCodec())
        await server.start("127.0.0.1", 0, ssl=context_of(bed.honest, tmp_path))
        port = server._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
        channel = PinnedChannel(f"127.0.0.1:{port}", client_context(own, bed.bundle), parse_spiffe(VICTIM))
        try:
            with pytest.raises(Refused) as caught:
                async with StreamStreamMethod(channel, EXCHANGE, bytes, bytes).open() as stream:
                    await stream.send_request()
                    bound(stream._stream)
                    await stream.send_message(b"hello")
                    assert await stream.recv_message() == b"small"
                    await stream.recv_message()
        finally:
            channel.close()
            server.close()
            await server.wait_closed()
        assert (
            str(caught.value)
            == f"E117 peer announced a message of {MESSAGE_MAX + 1} bytes, limit {MESSAGE_MAX}; stream closed"
        )

    asyncio.run(main())
