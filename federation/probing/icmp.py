"""Echoes on demand: over a ping socket where the kernel lets us (net.ipv4.ping_group_range), else a raw one."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import socket
import struct
from collections.abc import Callable
from functools import partial

from federation.probing.echo import reply_of, request4, request6
from federation.probing.target import Done, Target, Unable

FAMILIES = {
    4: (socket.AF_INET, socket.IPPROTO_ICMP, request4),
    6: (socket.AF_INET6, socket.IPPROTO_ICMPV6, request6),
}
PACKET_MAX = 256
TOKEN = struct.Struct("!16sQ")
"""The data of a request: nobody but who got it can know it."""


class Echoes:
    """Needs a running loop."""

    def __init__(self) -> None:
        self._ports: dict[int, socket.socket] = {}
        self._out: dict[tuple[str, int], Done] = {}
        self._secret = secrets.token_bytes(16)
        self._number = 0

    def begin(self, target: Target, done: Done) -> Callable[[], object]:
        """Send one request; the reply is the end of it."""
        version = 6 if ":" in target.address else 4
        port = self._ports.get(version) or self._opened(version)
        self._number += 1
        packet = FAMILIES[version][2](self._number >> 16 & 0xFFFF, self._number & 0xFFFF, self._token(self._number))
        port.sendto(packet, (target.address, 0))
        key = target.address, self._number
        self._out[key] = done
        return partial(self._out.pop, key, None)

    async def close(self) -> None:
        """Close the sockets."""
        for port in self._ports.values():
            asyncio.get_running_loop().remove_reader(port)
            port.close()
        self._ports, self._out = {}, {}

    def _token(self, number: int) -> bytes:
        return TOKEN.pack(self._secret, number)

    def _opened(self, version: int) -> socket.socket:
        family, protocol, _ = FAMILIES[version]
        for kind in (socket.SOCK_DGRAM, socket.SOCK_RAW):
            with contextlib.suppress(OSError):
                port = self._ports[version] = socket.socket(family, kind | socket.SOCK_NONBLOCK, protocol)
                asyncio.get_running_loop().add_reader(port, self._receive, port, version)
                return port
        raise Unable("no echo can be sent: widen net.ipv4.ping_group_range or give CAP_NET_RAW")

    def _receive(self, port: socket.socket, version: int) -> None:
        with contextlib.suppress(BlockingIOError):
            while True:
                packet, source = port.recvfrom(PACKET_MAX)
                reply = reply_of(packet, version)
                if reply is not None and len(reply[1]) == TOKEN.size:
                    secret, number = TOKEN.unpack(reply[1])
                    done = self._out.pop((source[0], number), None) if secret == self._secret else None
                    if done is not None:
                        done(True)
