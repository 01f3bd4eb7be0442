"""Keeps so many echoes to one address under way, and counts what comes back. Blocks; needs CAP_NET_RAW."""

import contextlib
import select
import socket
import time
from collections.abc import Iterator
from secrets import randbelow

from federation.probing.echo import HEADER, REPLY6, REQUEST6
from gateways.bench.window import Period
from gateways.probe.burst import FRAGMENTS, echo_socket
from gateways.probe.echo import IP_HEADER, MTU_DISCOVER

SEQUENCES = 1 << 16
BUFFER = 8 << 20
BUFFER_FORCE = 33
"""SO_RCVBUFFORCE (socket(7)): not bounded by net.core.rmem_max."""

PATIENCE = 1.0
"""Seconds after which an echo is lost: more than twice the way around the world, and a queue."""

LOOK = 0.05


class Pour:
    """A socket of its own to one address. Each echo is `size` bytes with its IPv6 header; larger ones than the link's
    packets are cut into fragments. `limit` in bytes per second each way; 0: none.
    """

    def __init__(self, address: str, size: int, limit: float = 0.0) -> None:
        """InputError without the right to it."""
        self._port = echo_socket()
        self._port.setsockopt(socket.IPPROTO_IPV6, MTU_DISCOVER, FRAGMENTS)
        for option in (BUFFER_FORCE, socket.SO_SNDBUF):
            with contextlib.suppress(OSError):
                self._port.setsockopt(socket.SOL_SOCKET, option, BUFFER)
        self._port.connect((address, 0))
        self._size = size
        self._limit = limit
        self._mark = randbelow(1 << 16)
        self._packet = bytearray(size - IP_HEADER)
        self._sequence = 0
        self._sent: dict[int, float] = {}

    def close(self) -> None:
        """Close the socket."""
        self._port.close()

    def run(self, window: int, seconds: float, trips: list[float]) -> Period:
        """Keep `window` echoes under way for so long. The seconds of each answered one are added to `trips`."""
        began = time.monotonic()
        answered = lost = sent = 0
        looked = began
        while (now := time.monotonic()) < began + seconds:
            room = window - len(self._sent)
            if self._limit:
                room = min(room, int(self._limit * (now - began) / self._size) - sent)
            sent += self._send(room)
            found = list(self._received())
            answered += len(found)
            trips += found
            if now - looked > LOOK:
                looked, lost = now, lost + self._forget(now - PATIENCE)
            if not found:
                select.select([self._port], [], [], LOOK if len(self._sent) >= window else 0.001)
        return Period(window, time.monotonic() - began, answered * self._size, answered, lost)

    def drain(self) -> None:
        """Wait until nothing is under way."""
        until = time.monotonic() + PATIENCE
        while self._sent and time.monotonic() < until:
            select.select([self._port], [], [], LOOK)
            for _ in self._received():
                pass
        self._sent.clear()

    def _send(self, room: int) -> int:
        for count in range(room):
            self._sequence = (self._sequence + 1) % SEQUENCES
            HEADER.pack_into(self._packet, 0, REQUEST6, 0, 0, self._mark, self._sequence)
            try:
                self._port.send(self._packet)
            except OSError:
                return count
            self._sent[self._sequence] = time.monotonic()
        return max(0, room)

    def _received(self) -> Iterator[float]:
        with contextlib.suppress(OSError):
            while True:
                data = self._port.recv(HEADER.size)
                kind, _, _, mark, sequence = HEADER.unpack_from(data)
                begin = self._sent.pop(sequence, None) if (kind, mark) == (REPLY6, self._mark) else None
                if begin is not None:
                    yield time.monotonic() - begin

    def _forget(self, before: float) -> int:
        """Echoes stand in the order of sending."""
        lost = 0
        for sequence, begin in list(self._sent.items()):
            if begin > before:
                break
            del self._sent[sequence]
            lost += 1
        return lost
