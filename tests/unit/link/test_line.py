"""A session on a stream ends when it must."""

import asyncio
from collections.abc import AsyncIterator

from federation.link.line import Line
from federation.session.session import Session


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
