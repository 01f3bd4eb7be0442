"""Round trips of one way, and how long an answer may take by them. Pure. Seconds, unless something else is said."""

from msgspec import Struct

LATE_LEAST = 0.15
SMOOTH, VARY, VARIATIONS = 8, 4, 4
"""RFC 6298 section 2: how slowly the smoothed round trip and its variation follow; how many variations are waited."""

STEP = 0.05
"""The least that is waited beyond the smoothed round trip: the granularity G of RFC 6298."""

MARGIN = 0.3
LOST_LEAST, LOST_MOST = 0.5, 2.0
"""A probe is lost when it is out for twice the longest of the last round trips and MARGIN, within these bounds."""

KEPT = 8
"""The last round trips that are remembered."""

JITTER = 16
"""How slowly the jitter follows (RFC 3550 section 6.4.1)."""

EXPIRES = 10.0
"""Without an answer for so long a round trip is unknown again."""


class Trip(Struct, frozen=True):
    """Microseconds there and back, and by how much that differs from one probe to the next on average; -1: unknown."""

    rtt_us: int = -1
    jitter_us: int = -1


NO_TRIP = Trip()


class Trips(Struct):
    """What the answers of one way took."""

    last: tuple[float, ...] = ()
    smoothed: float = 0.0
    variation: float = 0.0
    jitter: float = 0.0
    heard: float = 0.0

    def took(self, seconds: float, now: float) -> None:
        """An answer came now. One in half the usual time begins anew: what was before waited for a handshake."""
        if self.last:
            self.jitter += (abs(seconds - self.last[-1]) - self.jitter) / JITTER
        if self.last and 2 * seconds > self.smoothed:
            self.variation += (abs(seconds - self.smoothed) - self.variation) / VARY
            self.smoothed += (seconds - self.smoothed) / SMOOTH
        else:
            self.smoothed, self.variation = seconds, seconds / 2
        self.last = (*self.last[1 - KEPT :], seconds)
        self.heard = now

    def lost_after(self) -> float:
        """How long a probe is out before it counts as lost."""
        return min(LOST_MOST, max(LOST_LEAST, 2 * max(self.last, default=0.0) + MARGIN))

    def late_after(self) -> float:
        """How long a probe is out before it is late: the retransmission timeout of TCP, with a lower floor."""
        if not self.last:
            return LOST_LEAST
        usual = self.smoothed + max(STEP, VARIATIONS * self.variation)
        return min(self.lost_after(), max(LATE_LEAST, usual))

    def told(self, now: float) -> Trip:
        """The shortest of the last round trips, and their jitter; unknown when there was no answer of late.

        The shortest, because queues and a handshake under way make single ones longer and say nothing of distance.
        """
        if not self.last or now - self.heard > EXPIRES:
            return NO_TRIP
        return Trip(int(min(self.last) * 1_000_000), int(self.jitter * 1_000_000))
