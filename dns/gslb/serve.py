"""The sockets: UDP and TCP on each address. Thin: bytes and the client's address in, bytes out."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from typing import Protocol

from federation.model.errors import InputError
from gslb import metrics
from gslb.datagrams import Datagrams, Respond

TCP_IDLE = 10.0
TCP_MAX = 256
TCP_EACH = 32


class Udp(Protocol):
    """What answers datagrams."""

    def listen(self, host: str, port: int) -> None:
        """Answer on this address. OSError when it cannot be bound."""

    def close(self) -> None:
        """Listen no more."""


class Server:
    """Answers on every address that it listens on until closed."""

    def __init__(self, respond: Respond, udp: Udp | None = None) -> None:
        """`udp` answers datagrams: by default `respond`, too."""
        self._respond = respond
        self._udp = udp or Datagrams(respond)
        self._open = 0
        self._by_client: Counter[str] = Counter()
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
            raise InputError(f'--listen "{host}:{port}": {why}; choose another address or port', "E122") from None

    async def close(self) -> None:
        """Stop listening."""
        self._udp.close()
        for server in self._servers:
            server.close()

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
            metrics.count_queries("tcp", 1)
            response = self._respond(query, address, True)
            if response is None:
                return False
            writer.write(len(response).to_bytes(2, "big") + response)
            await writer.drain()
        return True
