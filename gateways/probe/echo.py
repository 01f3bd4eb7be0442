"""ICMPv6 echo (RFC 4443 section 4) through the tunnel to every peer gateway."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import socket
import struct
import time
from collections.abc import Callable, Mapping

from gateways.probe.paths import Now, Paths

log = logging.getLogger("probe")

REQUEST, REPLY = 128, 129
HEADER = struct.Struct("!BBHHH")
ICMP6_FILTER, ICMP6_FILTER_SIZE = 1, 32


class EchoProber:
    """Keeps `paths` fresh and sets `changed` when a verdict moved.

    Needs CAP_NET_RAW; without it nothing is known of any way, and one line says so.
    """

    def __init__(self, wanted: Callable[[], Mapping[str, bool]]) -> None:
        """`wanted` gives the overlay addresses to probe, True for those in use; it is asked anew each time."""
        self._wanted = wanted
        self._mark = secrets.randbelow(1 << 16)
        self.paths = Paths()
        self._seen = self.paths.standings()
        self.changed = asyncio.Event()

    async def run(self) -> None:
        """Probe until cancelled."""
        try:
            port = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
        except OSError as error:
            log.warning("ways to peers are not probed", extra={"reason": error.strerror})
            return
        with port:
            port.setblocking(False)
            port.setsockopt(socket.IPPROTO_ICMPV6, ICMP6_FILTER, _only(REPLY))
            loop = asyncio.get_running_loop()
            loop.add_reader(port, self._receive, port)
            try:
                while True:
                    self._receive(port)
                    self.paths.judge(_now())
                    self._send(port)
                    self._tell()
                    await asyncio.sleep(self.paths.wait(_now()))
            finally:
                loop.remove_reader(port)

    def microseconds(self, address: str) -> int:
        """The round trip to this address, or -1."""
        return self.paths.microseconds(address, asyncio.get_running_loop().time())

    def _send(self, port: socket.socket) -> None:
        wanted = self._wanted()
        sequence, due = self.paths.begin(wanted, _now())
        packet = HEADER.pack(REQUEST, 0, 0, self._mark, sequence)
        for address in due:
            now = _now()
            try:
                port.sendto(packet, (address, 0))
                self.paths.sent(address, sequence, now)
            except OSError:
                self.paths.unsent(address, sequence, now)
            self.paths.plan(address, wanted[address], now)

    def _receive(self, port: socket.socket) -> None:
        now = _now()
        with contextlib.suppress(OSError):
            while True:
                data, source = port.recvfrom(128)
                if len(data) < HEADER.size:
                    continue
                kind, _, _, mark, sequence = HEADER.unpack_from(data)
                if kind == REPLY and mark == self._mark:
                    self.paths.answered(source[0], sequence, now)
        self._tell()

    def _tell(self) -> None:
        standings = self.paths.standings()
        if standings is not self._seen:
            self._seen = standings
            self.changed.set()


def _now() -> Now:
    return Now(asyncio.get_running_loop().time(), int(time.time() * 1_000))


def _only(kind: int) -> bytes:
    """The kernel's filter (RFC 3542 section 3.2) that lets one ICMPv6 type pass: a set bit blocks."""
    words = [0xFFFFFFFF] * (ICMP6_FILTER_SIZE // 4)
    words[kind >> 5] &= ~(1 << (kind & 31)) & 0xFFFFFFFF
    return struct.pack(f"={len(words)}I", *words)
