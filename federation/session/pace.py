"""A token bucket: how long a reader waits before it takes the next message. Pure."""


class Pace:
    """At most `rate` events a second, with a burst of two seconds' worth."""

    def __init__(self, rate: float, now: float) -> None:
        self._rate = rate
        self._burst = 2 * rate
        self._tokens = self._burst
        self._at = now

    def spend(self, events: int, now: float) -> float:
        """Take note of these events; the seconds to wait before the next message is taken."""
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._rate) - events
        self._at = now
        return max(0.0, -self._tokens / self._rate)
