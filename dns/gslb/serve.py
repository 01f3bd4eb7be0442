"""The sockets: UDP and TCP on one address. Thin: bytes and the client's address in, bytes out."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Callable
from typing import cast

from federation.model.errors import InputError
from gslb.metrics import queries

TCP_IDLE = 10.0
TCP_MAX = 256
TCP_EACH = 32

Respond = Callable[[bytes, str, bool], bytes | None]


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, respond: Respond) -> None:
        self._respond = respond
        self._count = queries.labels("udp")
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._count.inc()
        response = self._respond(data, addr[0], False)
        if response is not None and self._transport is not None:
            self._transport.sendto(response, addr)


class Server:
    """Answers on `host:port` until closed."""

    def __init__(self, respond: Respond) -> None:
        self._respond = respond
        self._count = queries.labels("tcp")
        self._open = 0
        self._by_client: Counter[str] = Counter()
        self._transport: asyncio.BaseTransport | None = None
        self._server: asyncio.Server | None = None

    async def start(self, host: str, port: int) -> None:
        """Listen on both transports. InputError (E122) when the port is in use."""
        loop = asyncio.get_running_loop()
        try:
            self._transport, _ = await loop.create_datagram_endpoint(
                lambda: _Datagrams(self._respond), local_addr=(host, port)
            )
            self._server = await asyncio.start_server(self._connection, host, port)
        except OSError as error:
            await self.close()
            why = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
            raise InputError(f'--listen "{host}:{port}": {why}; choose another address or port', "E122") from None

    async def close(self) -> None:
        """Stop listening."""
        if self._transport is not None:
            self._transport.close()
        if self._server is not None:
            self._server.close()

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = writer.get_extra_info("peername")
        address: str = peer[0] if peer else ""
        self._open += 1
        try:
            self._by_client[address] += 1
            room = self._open <= TCP_MAX and self._by_client[address] <= TCP_EACH
            while room and await self._one(reader, writer, address):
                pass
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            pass
        finally:
            self._open -= 1
            self._by_client[address] -= 1
            if not self._by_client[address]:
                del self._by_client[address]
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, address: str) -> bool:
        """One framed query (RFC 1035 section 4.2.2); False when the connection should close.

        It yields once, so that a client that pipelines does not keep the others waiting.
        """
        await asyncio.sleep(0)
        async with asyncio.timeout(TCP_IDLE):
            size = int.from_bytes(await reader.readexactly(2), "big")
            query = await reader.readexactly(size)
            self._count.inc()
            response = self._respond(query, address, True)
            if response is None:
                return False
            writer.write(len(response).to_bytes(2, "big") + response)
            await writer.drain()
        return True
