"""A session on a stream ends when it must."""

import asyncio
from collections.abc import AsyncIterator

from federation.link.line import BACKLOG_MAX, Line
from federation.session.messages import Digest, encode
from federation.session.session import Session
from federation.session.tree import tree_of


async def nothing() -> AsyncIterator[bytes]:
    await asyncio.Event().wait()
    yield b""


async def never(data: bytes) -> None:
    await asyncio.Event().wait()


def test_a_send_that_blocks_does_not_hide_silence() -> None:
    async def main() -> None:
        line = Line(Session("a", asyncio.get_running_loop().time(), period=0.02), lambda line, event: None)
        async with asyncio.timeout(5):
            await line.run(nothing(), never)

    asyncio.run(main())


def test_who_writes_and_does_not_read_is_not_read_either() -> None:
    async def flood() -> AsyncIterator[bytes]:
        """Digests of a topic that we hold otherwise: each would be answered."""
        for number in range(100_000):
            taken.append(number)
            yield encode(Digest({"t": number.to_bytes(32, "big")}))

    taken: list[int] = []

    async def main() -> None:
        have = {"t": tree_of({"a": b"1"})}
        line = Line(Session("a", asyncio.get_running_loop().time(), have, period=0.1), lambda line, event: None)
        async with asyncio.timeout(5):
            await line.run(flood(), never)

    asyncio.run(main())
    assert BACKLOG_MAX < len(taken) < BACKLOG_MAX + 10


def test_a_closed_line_ends_though_the_other_end_does_not_read() -> None:
    async def main() -> None:
        line = Line(Session("a", asyncio.get_running_loop().time()), lambda line, event: None)
        running = asyncio.create_task(line.run(nothing(), never))
        await asyncio.sleep(0)
        line.close()
        async with asyncio.timeout(5):
            await running

    asyncio.run(main())


def test_a_closed_line_ends_its_stream() -> None:
    async def main() -> None:
        line = Line(Session("a", asyncio.get_running_loop().time()), lambda line, event: None)
        sent: list[bytes] = []

        async def send(data: bytes) -> None:
            sent.append(data)
            line.close()

        async with asyncio.timeout(5):
            await line.run(nothing(), send)
        assert len(sent) == 1

    asyncio.run(main())


def test_c14_a_peer_that_does_not_read_does_not_keep_a_line_that_is_closed() -> None:
    async def main() -> None:
        line = Line(Session("a", asyncio.get_running_loop().time()), lambda line, event: None)
        blocked = asyncio.Event()

        async def block(data: bytes) -> None:
            blocked.set()
            await never(data)

        running = asyncio.create_task(line.run(nothing(), block))
        await blocked.wait()
        line.close()
        async with asyncio.timeout(5):
            await running

    asyncio.run(main())
