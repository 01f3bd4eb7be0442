"""The program `isthmus lab ingress`: stands for the user's own ingress controller. It knows nothing of Isthmus: it
takes connections at the member's public address and passes each on to a name that its pod's resolver finds.
"""

import asyncio
import signal
import socket

CONNECT_SECONDS = 5.0
CHUNK = 1 << 16


class Ingress:
    """Splices TCP connections to `host:port`, resolved anew for each; while the resolver is away, the last address
    that it gave is used, as ingress controllers do.
    """

    def __init__(self, host: str, port: int) -> None:
        """Nothing is resolved before the first connection."""
        self._host, self._port = host, port
        self._last = ""

    async def passed(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, from its first byte to the end of both directions; closed when nobody can be reached."""
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                answers, to_service = await asyncio.open_connection(await self._address(), self._port)
        except OSError:  # TimeoutError is one of them
            writer.transport.abort()
            return
        try:
            await asyncio.gather(splice(reader, to_service), splice(answers, writer))
        finally:
            writer.close()
            to_service.close()

    async def _address(self) -> str:
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(self._host, None, family=socket.AF_INET, type=socket.SOCK_STREAM)
            self._last = str(found[0][4][0])
        except socket.gaierror:
            if not self._last:
                raise
        return self._last


async def splice(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copy until the end of the input, then end the output; a connection that breaks ends both ways."""
    try:
        while data := await reader.read(CHUNK):
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
    except OSError:
        writer.transport.abort()


async def serve(address: str, port: int, host: str, host_port: int) -> None:
    """Serve until SIGTERM; OSError when the address cannot be bound."""
    ingress = Ingress(host, host_port)
    server = await asyncio.start_server(ingress.passed, address, port, backlog=512)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await stop.wait()
    server.close()
