"""Many queries on one TCP connection: they must not keep others waiting; one client must not take every connection."""

import asyncio
import contextlib
import socket

import pytest
from gslb.serve import TCP_EACH, TCP_MAX, Server

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


def test_when_all_connections_are_taken_the_longest_idle_one_goes() -> None:
    async def story() -> None:
        port, server = free_port(), Server(lambda data, address, tcp: data)
        await server.start("127.0.0.1", port)
        taken = [
            await asyncio.open_connection("127.0.0.1", port, local_addr=(f"127.0.1.{at // TCP_EACH + 1}", 0))
            for at in range(TCP_MAX)
        ]
        for at in (*range(1, TCP_MAX), 0):
            taken[at][1].write(QUERY)
            assert await taken[at][0].readexactly(14) == QUERY
        reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=("127.0.2.1", 0))
        writer.write(QUERY)
        assert await reader.readexactly(14) == QUERY
        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
            await taken[1][0].readexactly(1)
        taken[0][1].write(QUERY)
        assert await taken[0][0].readexactly(14) == QUERY
        for _, one in [*taken, (reader, writer)]:
            one.close()
        await server.close()

    asyncio.run(asyncio.wait_for(story(), 60))


@pytest.mark.parametrize("sent", [b"", b"\0", b"\0\x0c" + bytes(5), QUERY * 20_000])
def test_a_client_that_is_silent_slow_or_reads_nothing_is_let_go(sent: bytes) -> None:
    """Answers of 60,000 bytes that nobody reads fill every buffer on the way."""

    async def story() -> None:
        port, server = free_port(), Server(lambda data, address, tcp: bytes(60_000), idle=0.3)
        await server.start("127.0.0.1", port)
        with socket.create_connection(("127.0.0.1", port)) as deaf:
            deaf.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                deaf.send(sent)
            loop = asyncio.get_running_loop()
            while True:
                try:
                    await asyncio.wait_for(loop.sock_sendall(deaf, b"x"), 10)
                except ConnectionError:
                    break
                await asyncio.sleep(0.05)
        await server.close()

    asyncio.run(asyncio.wait_for(story(), 60))
