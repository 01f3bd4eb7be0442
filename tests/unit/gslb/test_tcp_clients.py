"""Many queries on one TCP connection: they must not keep others waiting; one client must not take every connection."""

import asyncio

from gslb.serve import TCP_EACH, Server

from tests.worlds.ports import free_port

QUERY = b"\0\x0c" + bytes(12)


def test_a_client_that_pipelines_does_not_keep_udp_waiting() -> None:
    order: list[str] = []

    def respond(data: bytes, address: str, tcp: bool) -> bytes | None:
        order.append("tcp" if tcp else "udp")
        return data

    async def story() -> None:
        port, server = free_port(), Server(respond)
        await server.start("127.0.0.1", port)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        loop = asyncio.get_running_loop()
        asked, _ = await loop.create_datagram_endpoint(asyncio.DatagramProtocol, remote_addr=("127.0.0.1", port))
        writer.write(QUERY * 2_000)
        asked.sendto(bytes(12))
        await reader.readexactly(14 * 2_000)
        writer.close()
        asked.close()
        await server.close()

    asyncio.run(asyncio.wait_for(story(), 60))
    assert order.count("tcp") == 2_000
    assert order.index("udp") < 1_000


def test_one_client_has_so_many_connections_and_no_more() -> None:
    async def story() -> None:
        port, server = free_port(), Server(lambda data, address, tcp: data)
        await server.start("127.0.0.1", port)
        open_ones = [await asyncio.open_connection("127.0.0.1", port) for _ in range(TCP_EACH)]
        for reader, writer in open_ones:
            writer.write(QUERY)
            assert await reader.readexactly(14) == QUERY
        late, writer = await asyncio.open_connection("127.0.0.1", port)
        assert await late.read() == b""
        writer.close()
        other, other_writer = await asyncio.open_connection("127.0.0.1", port, local_addr=("127.0.0.2", 0))
        other_writer.write(QUERY)
        assert await other.readexactly(14) == QUERY
        for _, one in [*open_ones, (other, other_writer)]:
            one.close()
        await server.close()

    asyncio.run(asyncio.wait_for(story(), 60))
