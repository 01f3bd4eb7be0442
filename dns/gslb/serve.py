"""The sockets: UDP and TCP on one address. Thin: bytes and the client's address in, bytes out."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import time
from collections.abc import Callable

from msgspec import Struct

from federation.model.errors import InputError
from gslb.metrics import queries

TCP_IDLE = 10.0
"""Seconds."""

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


class _Connection(Struct):
    """One client over TCP, and when it last did something."""

    address: str
    writer: asyncio.StreamWriter
    active: float


class Server:
    """Answers on `host:port` until closed. Over TCP a client may be silent, slow or deaf for `idle` seconds."""

    def __init__(self, respond: Respond, idle: float = TCP_IDLE) -> None:
        self._respond = respond
        self._idle = idle
        self._count = queries.labels("tcp")
        self._connections: list[_Connection] = []
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
        one = _Connection(peer[0] if peer else "", writer, time.monotonic())
        room = self._make_room(one.address)
        self._connections.append(one)
        try:
            while room and await self._one(reader, one):
                pass
        except (TimeoutError, OSError, asyncio.IncompleteReadError):
            pass
        finally:
            self._connections.remove(one)
            writer.close()
            asyncio.get_running_loop().call_later(self._idle, writer.transport.abort)

    def _make_room(self, address: str) -> bool:
        """False when this client has as many connections as one may; when all are taken, the longest idle one goes (RFC
        7766 section 6.2.3).
        """
        if sum(one.address == address for one in self._connections) >= TCP_EACH:
            return False
        if len(self._connections) >= TCP_MAX:
            min(self._connections, key=lambda one: one.active).writer.transport.abort()
        return True

    async def _one(self, reader: asyncio.StreamReader, one: _Connection) -> bool:
        """One framed query (RFC 1035 section 4.2.2); False when the connection should close.

        It yields once, so that a client that pipelines does not keep the others waiting.
        """
        await asyncio.sleep(0)
        async with asyncio.timeout(self._idle):
            size = int.from_bytes(await reader.readexactly(2), "big")
            query = await reader.readexactly(size)
            one.active = time.monotonic()
            self._count.inc()
            response = self._respond(query, one.address, True)
            if response is None:
                return False
            one.writer.write(len(response).to_bytes(2, "big") + response)
            await one.writer.drain()
        return True
