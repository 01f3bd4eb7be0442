"""What the sockets ask: the answers of the steering that is in force, those over UDP kept as bytes."""

import time

from gslb import metrics
from gslb.client import Client, client_of
from gslb.options import Itself
from gslb.packed import Packed
from gslb.query import HEADER
from gslb.rrl import NO_LIMITS, QUESTION, Limiter, Limits, truncated
from gslb.steer import Steering
from gslb.wire import Reply, respond


class Front:
    """Answers from the first moment: before there is a steering with SERVFAIL."""

    def __init__(self, limits: Limits = NO_LIMITS) -> None:
        self.steering: Steering | None = None
        self._limiter = Limiter(limits) if limits.rate else None
        self._itself = Itself()
        self._packed: Packed | None = None

    def put(self, steering: Steering | None, itself: Itself) -> None:
        """From now on these are in force; what was kept stays while they are the same."""
        if steering is self.steering and itself == self._itself:
            return
        self.steering, self._itself = steering, itself
        self._packed = None if steering is None else Packed(steering, self._worked_out)

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
        metrics.limited.labels("dry" if limiter.limits.dry else verdict).inc()
        if limiter.limits.dry:
            return found[0]
        return truncated(data, end) if verdict == "slip" else None

    def _worked_out(self, data: bytes, client: Client, now: int) -> Reply | None:
        return respond(self.steering, data, client, False, now, self._itself)
