"""The sockets: UDP and TCP on one address. Thin: bytes and the client's address in, bytes out."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import time
from collections import Counter
from collections.abc import Callable

from federation.model.errors import InputError
from gslb.metrics import queries

TCP_IDLE = 10.0
TCP_MAX = 256
TCP_EACH = 32

Respond = Callable[[bytes, str, bool], bytes | None]


TURN = 0.005
"""Seconds for which datagrams are answered before anything else gets its turn."""

DATAGRAM_MAX = 4_096
RECEIVE_BUFFER = 4 * 1024 * 1024
"""Bytes that wait in the kernel (which may take less): 20,000 queries."""


class _Datagrams:
    """A UDP socket, emptied whenever it has something: one turn of the loop for many queries."""

    def __init__(self, respond: Respond, host: str, port: int) -> None:
        """OSError when the address cannot be bound."""
        family, kind, proto, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
        self._respond = respond
        self._count = queries.labels("udp")
        self._socket = socket.socket(family, kind, proto)
        try:
            self._socket.setblocking(False)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
            self._socket.bind(address)
        except OSError:
            self._socket.close()
            raise
        asyncio.get_running_loop().add_reader(self._socket, self._drain)

    def close(self) -> None:
        """Listen no more."""
        asyncio.get_running_loop().remove_reader(self._socket)
        self._socket.close()

    def _drain(self) -> None:
        count, end = 0, time.monotonic() + TURN
        while time.monotonic() < end:
            try:
                data, address = self._socket.recvfrom(DATAGRAM_MAX)
            except OSError:
                break
            count += 1
            response = self._respond(data, address[0], False)
            if response is not None:
                with contextlib.suppress(OSError):
                    self._socket.sendto(response, address)
        self._count.inc(count)


class Server:
    """Answers on `host:port` until closed."""

    def __init__(self, respond: Respond) -> None:
        self._respond = respond
        self._count = queries.labels("tcp")
        self._open = 0
        self._by_client: Counter[str] = Counter()
        self._datagrams: _Datagrams | None = None
        self._server: asyncio.Server | None = None

    async def start(self, host: str, port: int) -> None:
        """Listen on both transports. InputError (E122) when the port is in use."""
        try:
            self._datagrams = _Datagrams(self._respond, host, port)
            self._server = await asyncio.start_server(self._connection, host, port)
        except OSError as error:
            await self.close()
            why = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
            raise InputError(f'--listen "{host}:{port}": {why}; choose another address or port', "E122") from None

    async def close(self) -> None:
        """Stop listening."""
        if self._datagrams is not None:
            self._datagrams.close()
            self._datagrams = None
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
