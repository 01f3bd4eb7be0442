"""A session on a stream: the thin shell that moves bytes and time."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

from federation.session.pace import Pace
from federation.session.session import Event, Offered, Session
from federation.session.tree import Tree

BACKLOG_MAX = 1_000
"""Answers that wait for an end which does not read: then nothing more is read from it."""

Send = Callable[[bytes], Awaitable[None]]
Handle = Callable[["Line", Event], None]


class Line:
    """One live session. Its owner publishes and answers offers; `run` moves the bytes until either end stops.

    A `pace` slows the reading down: the other end's changes then coalesce there, and nobody else waits.
    """

    def __init__(self, session: Session, handle: Handle, pace: Pace | None = None) -> None:
        self.session = session
        self._handle = handle
        self._pace = pace
        self._wake = asyncio.Event()
        self._room = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._over: asyncio.Future[None] = self._loop.create_future()
        self._timer: asyncio.TimerHandle | None = None

    def publish(self, topic: str, tree: Tree, head: bytes, held: bytes | None = None) -> None:
        """Offer this content from now on; arguments as in `Session.publish`."""
        self.session.publish(topic, tree, head, held)
        self._wake.set()

    def close(self) -> None:
        """End the stream from our side, whatever waits for the other end."""
        if not self._over.done():
            self._over.set_result(None)

    async def run(self, incoming: AsyncIterator[bytes], send: Send) -> None:
        """Serve the stream until it ends, the other end falls silent, or breaks the protocol (Refused)."""
        reader = asyncio.create_task(self._read(incoming))
        writer = asyncio.create_task(self._write(send))
        self._tick()
        try:
            done, _ = await asyncio.wait({reader, writer, self._over}, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            if self._timer is not None:
                self._timer.cancel()
            for task in (reader, writer):
                task.cancel()
            await asyncio.gather(reader, writer, return_exceptions=True)

    def _tick(self) -> None:
        """Say what is due, and end the line when the other end was silent for too long, a send that blocks meanwhile
        notwithstanding.
        """
        if self.session.tick(self._loop.time()):
            self._timer = self._loop.call_at(self.session.next_deadline(), self._tick)
        else:
            self.close()
        self._wake.set()

    async def _read(self, incoming: AsyncIterator[bytes]) -> None:
        async for data in incoming:
            events = self.session.receive(data, self._loop.time())
            for event in events:
                self._handle(self, event)
            self._wake.set()
            while self.session.backlog > BACKLOG_MAX:
                self._room.clear()
                await self._room.wait()
            if self._pace is not None:
                await asyncio.sleep(
                    self._pace.spend(sum(isinstance(event, Offered) for event in events), self._loop.time())
                )

    async def _write(self, send: Send) -> None:
        while True:
            self._wake.clear()
            while (data := self.session.take()) is not None:
                self._room.set()
                await send(data)
            await self._wake.wait()
