"""UDP by the packet path (`dns/packet`): it is told of each steering, and what it hands over is answered here."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import time
from secrets import token_bytes

from gslb_packet import Responder

from gslb import metrics
from gslb.compiled import change_of, parts_of, stand_of, wire_of
from gslb.datagrams import TURN, Respond, bound
from gslb.options import Itself
from gslb.rrl import NO_LIMITS, Limits
from gslb.steer import Steering

TAKEN = 32
"""Datagrams taken at a time of those that were handed over."""

OUTCOMES_MAX = 4
"""Outcomes that one answer may miss: those of two families, and of each another that was just over."""


class PacketPath:
    """Answers on every address that it listens on until closed, with a thread for each processor and address."""

    def __init__(self, respond: Respond, limits: Limits = NO_LIMITS) -> None:
        """`respond` is asked what the packet path does not answer by itself."""
        self._respond = respond
        self._threads = len(os.sched_getaffinity(0))
        self._fast = Responder(self._threads, token_bytes(16), limits.rate, limits.slip, limits.dry)
        self._steering: Steering | None = None
        self._secrets: tuple[bytes, ...] = ()
        self._sockets: list[socket.socket] = []
        self._bell = -1
        metrics.follow(self._fast)

    def put(self, steering: Steering, itself: Itself) -> None:
        """From now on these are in force."""
        if itself.secrets != self._secrets:
            self._secrets = itself.secrets
            self._fast.secrets(itself.secrets)
        if steering is not self._steering:
            before, self._steering = self._steering, steering
            self._fast.change(change_of(steering, before))

    def listen(self, host: str, port: int) -> None:
        """Answer on this address. OSError when it cannot be bound."""
        fresh = []
        for _ in range(self._threads):
            fresh.append(bound(host, port, shared=True))
            self._sockets.append(fresh[-1])
        if self._bell < 0:
            self._bell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
            asyncio.get_running_loop().add_reader(self._bell, self._drain)
        self._fast.start([one.fileno() for one in fresh], self._bell)

    def close(self) -> None:
        """Listen no more."""
        for one in self._sockets:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        self._fast.stop()
        for one in self._sockets:
            one.close()
        self._sockets = []
        if self._bell >= 0:
            asyncio.get_running_loop().remove_reader(self._bell)
            os.close(self._bell)
            self._bell = -1

    def answer(self, data: bytes, address: str, now: int) -> bytes | None:
        """The response to a datagram that was handed over, at this Unix millisecond; None: silence."""
        for _ in range(OUTCOMES_MAX):
            found = self._fast.respond(data, address, now)
            if isinstance(found, bytes):
                return found or None
            if found is None:
                break
            self._tell(*found, now)
        return self._respond(data, address, False)

    def _tell(self, host: str, kind: int, stand: list[int], now: int) -> None:
        """What the packet path misses: what the clients who stand there get."""
        if self._steering is not None:
            outcome = self._steering.outcome(host, kind, stand_of(self._steering.table, stand), now)
            self._fast.outcome(wire_of(host), kind, stand, outcome.until, parts_of(kind, outcome))

    def _drain(self) -> None:
        os.eventfd_read(self._bell)
        end = time.monotonic() + TURN
        while time.monotonic() < end:
            waiting = self._fast.take(TAKEN)
            if not waiting:
                return
            for one in waiting:
                response = self.answer(one.data, one.address, time.time_ns() // 1_000_000)
                if response is not None:
                    one.answer(response)
        os.eventfd_write(self._bell, 1)
