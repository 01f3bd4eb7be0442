"""A TCP forwarder that hands on what the other end sends at 10 kbit/s, with as little buffer as the kernel allows."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

BYTES_PER_SECOND = 1_250
TICK = 0.05
BUFFER = 2_048


@contextlib.asynccontextmanager
async def slow_line(to: str) -> AsyncIterator[str]:
    """An address; whoever connects there talks to `to`, and hears it slowly."""
    host, _, port = to.rpartition(":")
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        plain = socket.socket()
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
        plain.setblocking(False)
        await asyncio.get_running_loop().sock_connect(plain, (host, int(port)))
        back, there = await asyncio.open_connection(sock=plain, limit=BUFFER)
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(_hand_on(reader, there, 65_536, 0.0))
                both.create_task(_hand_on(back, writer, int(BYTES_PER_SECOND * TICK), TICK))
        except* OSError:
            pass
        finally:
            for one in (writer, there):
                one.transport.abort()

    def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.create_task(serve(reader, writer)))

    server = await asyncio.start_server(begin, "127.0.0.1", 0)
    try:
        yield "{}:{}".format(*server.sockets[0].getsockname())
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _hand_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, size: int, pause: float) -> None:
    """Until the end of what is read; then the other direction ends as well."""
    while data := await reader.read(size):
        writer.write(data)
        await writer.drain()
        await asyncio.sleep(pause)
    raise ConnectionResetError
