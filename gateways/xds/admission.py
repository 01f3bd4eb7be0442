"""Who may open a stream on the central port, and when: so many in all, of one identity, and a second. No I/O."""

from collections import Counter

from msgspec import Struct

from federation.model.errors import Unavailable


class Limits(Struct, frozen=True, kw_only=True):
    """`streams` at once, `of_one` of them of one identity; `burst` at once and `rate` a second after that.

    `wait` is for how many seconds a stream may wait for its turn; one that would wait longer is sent away.
    """

    streams: int = 10_000
    of_one: int = 2_500
    burst: int = 500
    rate: int = 1_000
    wait: float = 10.0


class Admission:
    """Counts open streams, and spreads a storm of new ones over time (generic cell rate algorithm)."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._open: Counter[str] = Counter()
        self._turn = 0.0
        self.streams = 0

    def enter(self, identity: str, now: float) -> float:
        """Count a stream; the seconds that it must wait first (`now` in seconds that never go back). Unavailable when
        there are too many: then it is not counted.
        """
        limits = self._limits
        if self.streams >= limits.streams:
            raise Unavailable(f"{self.streams} streams are open, {limits.streams} are allowed; connect again later")
        if self._open[identity] >= limits.of_one:
            raise Unavailable(
                f"{identity} has {self._open[identity]} streams open, {limits.of_one} are allowed; connect again later"
            )
        turn = max(self._turn, now - limits.burst / limits.rate)
        if turn - now > limits.wait:
            raise Unavailable(f"more than {limits.rate} new streams a second; connect again later")
        self._turn = turn + 1 / limits.rate
        self._open[identity] += 1
        self.streams += 1
        return max(0.0, turn - now)

    def leave(self, identity: str) -> None:
        """One that was counted ended."""
        self.streams -= 1
        self._open[identity] -= 1
        if not self._open[identity]:
            del self._open[identity]
