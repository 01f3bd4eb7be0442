"""What the sockets ask: the answers of the steering that is in force, those over UDP kept as bytes."""

from __future__ import annotations

import time
from importlib.util import find_spec
from typing import TYPE_CHECKING, Literal

from federation.model.errors import InputError
from gslb import metrics
from gslb.client import Client, client_of
from gslb.datagrams import Datagrams
from gslb.options import Itself
from gslb.packed import Packed
from gslb.query import HEADER
from gslb.rrl import NO_LIMITS, QUESTION, Limiter, Limits, truncated
from gslb.steer import Steering
from gslb.wire import Reply, respond

if TYPE_CHECKING:
    from gslb.packet import PacketPath

Wanted = Literal["auto", "python", "rust"]


class Front:
    """Answers from the first moment: before there is a steering with SERVFAIL. `path` is what serves UDP: rust or
    python.
    """

    def __init__(self, limits: Limits = NO_LIMITS, wanted: Wanted = "auto") -> None:
        """InputError (E125) when the packet path is wanted and not installed."""
        self.steering: Steering | None = None
        self._limiter = Limiter(limits) if limits.rate else None
        self._itself = Itself()
        self._packed: Packed | None = None
        self._fast: PacketPath | None = None
        self.path = _path(wanted)
        if self.path == "rust":
            from gslb.packet import PacketPath

            self._fast = PacketPath(self.answer, limits)
        self.datagrams = self._fast or Datagrams(self.answer)
        metrics.path.labels(self.path).set(1)

    def put(self, steering: Steering | None, itself: Itself) -> None:
        """From now on these are in force; what was kept stays while they are the same."""
        if steering is self.steering and itself == self._itself:
            return
        self.steering, self._itself = steering, itself
        self._packed = None if steering is None else Packed(steering, self._worked_out)
        if self._fast is not None and steering is not None:
            self._fast.put(steering, itself)

    def answer(self, data: bytes, address: str, tcp: bool) -> bytes | None:
        """The response to these bytes from this address; None: silence."""
        now = time.time_ns() // 1_000_000
        if tcp or self._packed is None:
            reply = respond(self.steering, data, client_of(address), tcp, now, self._itself)
            found = None if reply is None else (reply.data, reply)
        else:
            found = self._packed.respond(data, address, now)
        if found is None:
            return None
        metrics.count(found[1])
        return found[0] if tcp or self._limiter is None else self._limited(self._limiter, data, address, found, now)

    def _limited(
        self, limiter: Limiter, data: bytes, address: str, found: tuple[bytes, Reply], now: int
    ) -> bytes | None:
        end = data.find(b"\0", HEADER) + 1 + QUESTION
        verdict = limiter.judge(address, data[HEADER:end].lower(), found[1], now)
        if verdict == "answer":
            return found[0]
        metrics.count_limited("dry" if limiter.limits.dry else verdict)
        if limiter.limits.dry:
            return found[0]
        return truncated(found[0], end) if verdict == "slip" else None

    def _worked_out(self, data: bytes, client: Client, now: int) -> Reply | None:
        return respond(self.steering, data, client, False, now, self._itself)


def _path(wanted: Wanted) -> str:
    there = find_spec("gslb_packet") is not None
    if wanted == "rust" and not there:
        raise InputError("--packet-path rust: it is not installed; install the package of dns/packet", "E125")
    return "rust" if there and wanted != "python" else "python"
