"""The address of a standby's link server, while another controller leads: what connects is passed on to the leader.

In a cluster both replicas stand behind one Service. TLS ends at the leader; bytes are passed as they come.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from federation.model.errors import InputError
from federation.telemetry import split_address

CHUNK = 64 * 1024
CONNECT_SECONDS = 5.0
CONNECTIONS_MAX = 20_000


class Relay:
    """Passes connections on to `leader()`, an ADDRESS:PORT; closes them at once where that is "" or does not answer."""

    def __init__(self, leader: Callable[[], str]) -> None:
        self._leader = leader
        self._tasks: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def listening(self, address: str) -> AsyncIterator[None]:
        """Until the block ends; every connection ends with it. InputError (E122) when the address cannot be used."""
        host, port = split_address(address, "--listen")
        try:
            server = await asyncio.start_server(self._serve, host, port)
        except OSError as error:
            text = f'--listen "{address}": {error.strerror}; choose another address or port'
            raise InputError(text, "E122") from None
        try:
            yield
        finally:
            server.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            if len(self._tasks) <= CONNECTIONS_MAX:
                await self._pass_on(reader, writer)
        except (OSError, TimeoutError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            writer.transport.abort()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        leader = self._leader()
        if not leader:
            return
        async with asyncio.timeout(CONNECT_SECONDS):
            theirs, there = await asyncio.open_connection(*split_address(leader, "leader"))
        try:
            ways = [asyncio.create_task(_copy(reader, there)), asyncio.create_task(_copy(theirs, writer))]
            try:
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for way in ways:
                    way.cancel()
                await asyncio.gather(*ways, return_exceptions=True)
        finally:
            there.transport.abort()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Until either end ends."""
    with contextlib.suppress(OSError):
        while data := await reader.read(CHUNK):
            writer.write(data)
            await writer.drain()
