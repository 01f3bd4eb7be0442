"""The sockets: UDP and TCP on each address. Thin: bytes and the client's address in, bytes out."""

from __future__ import annotations

import asyncio
import os
import time
from typing import Protocol

from msgspec import Struct

from federation.model.errors import InputError
from federation.telemetry import join_address
from gslb import metrics
from gslb.datagrams import Datagrams, Respond

TCP_IDLE = 10.0
"""Seconds."""

TCP_MAX = 256
TCP_EACH = 32


class Udp(Protocol):
    """What answers datagrams."""

    def listen(self, host: str, port: int) -> None:
        """Answer on this address. OSError when it cannot be bound."""

    def close(self) -> None:
        """Listen no more."""


class _Connection(Struct):
    """One client over TCP, and when it last did something."""

    address: str
    writer: asyncio.StreamWriter
    active: float


class Server:
    """Answers on every address that it listens on until closed. Over TCP a client may be silent, slow or deaf for
    `idle` seconds.
    """

    def __init__(self, respond: Respond, udp: Udp | None = None, idle: float = TCP_IDLE) -> None:
        """`udp` answers datagrams: by default `respond`, too."""
        self._respond = respond
        self._udp = udp or Datagrams(respond)
        self._idle = idle
        self._connections: list[_Connection] = []
        self._servers: list[asyncio.Server] = []

    async def start(self, host: str, port: int) -> None:
        """Listen on both transports. InputError (E122) when the port is in use.

        TCP comes first: another server that has the address refuses it, where UDP may be shared.
        """
        try:
            self._servers.append(await asyncio.start_server(self._connection, host, port))
            self._udp.listen(host, port)
        except OSError as error:
            await self.close()
            why = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
            what = f'--listen "{join_address(host, port)}": {why}'
            raise InputError(f"{what}; choose another address or port", "E122") from None

    async def close(self) -> None:
        """Stop listening."""
        self._udp.close()
        for server in self._servers:
            server.close()

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
            metrics.count_queries("tcp", 1)
            response = self._respond(query, one.address, True)
            if response is None:
                return False
            one.writer.write(len(response).to_bytes(2, "big") + response)
            await one.writer.drain()
        return True
