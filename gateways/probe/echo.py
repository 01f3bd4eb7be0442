"""ICMPv6 echo (RFC 4443 section 4) through the tunnel to every peer gateway, in one batch a second."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import struct
from collections.abc import Callable

from gateways.probe.rtt import RoundTrips

log = logging.getLogger("probe")

REQUEST, REPLY = 128, 129
HEADER = struct.Struct("!BBHHH")
ICMP6_FILTER, ICMP6_FILTER_SIZE = 1, 32
PERIOD = 1.0


class EchoProber:
    """Keeps `trips` fresh. Needs CAP_NET_RAW; without it nothing is measured, and one line says so."""

    def __init__(self, addresses: Callable[[], list[str]]) -> None:
        """`addresses` gives the overlay addresses to probe, asked anew for each round."""
        self._addresses = addresses
        self._mark = os.getpid() & 0xFFFF
        self.trips = RoundTrips()

    async def run(self) -> None:
        """Probe until cancelled."""
        try:
            port = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
        except OSError as error:
            log.warning("round trips are not measured", extra={"reason": error.strerror})
            return
        with port:
            port.setblocking(False)
            port.setsockopt(socket.IPPROTO_ICMPV6, ICMP6_FILTER, _only(REPLY))
            loop = asyncio.get_running_loop()
            loop.add_reader(port, self._receive, port)
            try:
                while True:
                    self._send(port)
                    await asyncio.sleep(PERIOD)
            finally:
                loop.remove_reader(port)

    def microseconds(self, address: str) -> int:
        """The smoothed round trip to this address, or -1."""
        return self.trips.microseconds(address, asyncio.get_running_loop().time())

    def _send(self, port: socket.socket) -> None:
        addresses = self._addresses()
        sequence = self.trips.begin(addresses, asyncio.get_running_loop().time())
        packet = HEADER.pack(REQUEST, 0, 0, self._mark, sequence)
        for address in addresses:
            with contextlib.suppress(OSError):
                port.sendto(packet, (address, 0))

    def _receive(self, port: socket.socket) -> None:
        now = asyncio.get_running_loop().time()
        with contextlib.suppress(OSError):
            while True:
                data, source = port.recvfrom(128)
                if len(data) < HEADER.size:
                    continue
                kind, _, _, mark, sequence = HEADER.unpack_from(data)
                if kind == REPLY and mark == self._mark:
                    self.trips.answer(source[0], sequence, now)


def _only(kind: int) -> bytes:
    """The kernel's filter (RFC 3542 section 3.2) that lets one ICMPv6 type pass: a set bit blocks."""
    words = [0xFFFFFFFF] * (ICMP6_FILTER_SIZE // 4)
    words[kind >> 5] &= ~(1 << (kind & 31)) & 0xFFFFFFFF
    return struct.pack(f"={len(words)}I", *words)
