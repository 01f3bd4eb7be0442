"""The door before a socket of ours: bytes pass, and no user uses up what others need."""

import asyncio
import socket
import stat
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import pytest

from gateways import door
from gateways.door import Door
from gateways.identity.serve import CONNECTIONS_MAX


class Caller:
    """Connects, and closes everything at the end."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._open: list[asyncio.StreamWriter] = []

    async def connect(self) -> "Ends":
        reader, writer = await asyncio.open_unix_connection(self.path)
        self._open.append(writer)
        return reader, writer

    async def close(self) -> None:
        for writer in self._open:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()


Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def through(story: Callable[[Caller], Awaitable[None]]) -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while chunk := await reader.read(65_536):
            writer.write(chunk)
            await writer.drain()
        writer.close()

    async def run(folder: Path) -> None:
        path, behind = folder / "door", folder / "behind"
        one, caller = Door(path, behind), Caller(path)
        one.start()
        async with await asyncio.start_unix_server(echo, behind), asyncio.timeout(30):
            running = asyncio.create_task(one.run())
            await story(caller)
            running.cancel()
            await asyncio.wait([running])
            await caller.close()
        assert not path.exists()

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(run(Path(folder)))


async def answers(ends: Ends, text: bytes = b"hello\n") -> bool:
    try:
        ends[1].write(text)
        return await ends[0].readexactly(len(text)) == text
    except (asyncio.IncompleteReadError, OSError):
        return False


def test_bytes_pass_both_ways_and_every_user_may_call() -> None:
    async def story(caller: Caller) -> None:
        assert stat.S_IMODE(caller.path.stat().st_mode) == 0o666
        ends = await caller.connect()
        assert await answers(ends, b"x" * 1_000_000)

    through(story)


def test_one_user_has_so_many_connections_and_another_his_own(monkeypatch: pytest.MonkeyPatch) -> None:
    who = [1]

    def place(connection: socket.socket) -> tuple[int, int]:
        return who[0], 0

    async def story(caller: Caller) -> None:
        monkeypatch.setattr(door, "place_of", place)
        mine = [await caller.connect() for _ in range(CONNECTIONS_MAX)]
        assert all([await answers(one) for one in mine])
        beyond = await caller.connect()
        assert not await answers(beyond)
        who[0] = 2
        assert await answers(await caller.connect())
        who[0] = 1
        mine[0][1].close()
        while not await answers(await caller.connect()):
            pass

    through(story)


def test_all_users_together_leave_the_agent_its_descriptors(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(caller: Caller) -> None:
        monkeypatch.setattr(door, "connections_max", lambda: 6 * 2)
        kept = [await caller.connect() for _ in range(2)]
        assert all([await answers(one) for one in kept])
        assert not await answers(await caller.connect())

    through(story)
