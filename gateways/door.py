"""A unix socket that every user of this node may call, before one that only we may: so many connections of one user, so
that nobody uses up the descriptors by which the agent lives.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections import Counter
from collections.abc import Coroutine
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from gateways.folder import check_socket_path
from gateways.identity.serve import CONNECTIONS_MAX, UNACCEPTED, connections_max, container_of, user_of

log = logging.getLogger("door")

Place = tuple[int, int]
"""Whose a connection is: the user, and the container where it can be seen."""

CHUNK = 65_536


def place_of(connection: socket.socket) -> Place:
    """Who connected."""
    return user_of(connection).uid, container_of(connection)


class Door:
    """Carries bytes between callers of `path` and what listens on `behind`. A quarter of the process's descriptors at
    most is used, three a connection; a caller beyond that, or beyond CONNECTIONS_MAX of his own, is closed.
    """

    def __init__(self, path: Path, behind: Path) -> None:
        self._path = path
        self._behind = behind
        self._open: Counter[Place] = Counter()
        self._carried: set[asyncio.Task[None]] = set()
        self._listener: socket.socket | None = None

    def start(self) -> None:
        """Listen. InputError for a path that is too long."""
        check_socket_path(self._path)
        self._path.unlink(missing_ok=True)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.setblocking(False)
        self._listener.bind(str(self._path))
        self._path.chmod(0o666)
        self._listener.listen()

    async def run(self) -> None:
        """Carry until cancelled, after `start`; then every connection is closed."""
        assert self._listener is not None
        with self._listener:
            try:
                await self._accept(self._listener)
            finally:
                self._path.unlink(missing_ok=True)
                for task in self._carried:
                    task.cancel()
                await asyncio.gather(*self._carried, return_exceptions=True)

    async def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                caller, _ = await asyncio.get_running_loop().sock_accept(listener)
            except OSError as error:
                log.warning("cannot accept", extra={"error": str(error)})
                await asyncio.sleep(UNACCEPTED)
                continue
            place = place_of(caller)
            if self._open[place] >= CONNECTIONS_MAX or len(self._carried) >= connections_max() // 6:
                caller.close()
                continue
            self._open[place] += 1
            task = asyncio.create_task(self._carry(caller))
            self._carried.add(task)
            task.add_done_callback(partial(self._left, place))

    def _left(self, place: Place, task: asyncio.Task[None]) -> None:
        self._carried.discard(task)
        self._open[place] -= 1
        if not self._open[place]:
            del self._open[place]

    async def _carry(self, caller: socket.socket) -> None:
        """Both ways, until either ends."""
        with caller, suppress(OSError):
            from_caller, to_caller = await asyncio.open_unix_connection(sock=caller)
            try:
                from_us, to_us = await asyncio.open_unix_connection(self._behind)
                try:
                    await _first((_pump(from_caller, to_us), _pump(from_us, to_caller)))
                finally:
                    to_us.close()
            finally:
                to_caller.close()


async def _first(works: tuple[Coroutine[Any, Any, None], ...]) -> None:
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while chunk := await reader.read(CHUNK):
        writer.write(chunk)
        await writer.drain()
