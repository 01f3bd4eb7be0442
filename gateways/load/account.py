"""Accounts: the average rate of each way, from the reports of one Envoy after the other. Sans-IO; time comes with each
call, in milliseconds that never go back.

Each stream has an account of its own. An Envoy that restarts gets a new one while what the old one counted fades: the
sum goes on as it was, without a spike and without a hole.
"""

from collections.abc import Iterable, Iterator

from msgspec import Struct

from federation.law.average import averaged, faded
from gateways.load.counts import Count, Way

GONE = 1_000
"""Millionths of a request per second below which a way is forgotten."""

LATE = 1_500
"""Milliseconds; a report may be so late before the time since the last one counts as silence."""


class Last(Struct, frozen=True):
    """What the last report alone said: millionths of requests, and of errors, per second, over so many milliseconds."""

    requests: int = 0
    errors: int = 0
    ms: int = 0


NOTHING = Last()


class Moving:
    """One way: millionths of requests, and of errors, per second, as they were at `at`, and in the last report."""

    __slots__ = ("active", "at", "errors", "last", "requests")

    def __init__(self, at: int) -> None:
        self.requests = self.errors = self.active = 0
        self.at = at
        self.last = NOTHING

    def take(self, ms: int, requests: int, errors: int, now: int) -> None:
        """So many millionths per second over the last `ms`; what lies before that was silence."""
        silence = max(0, now - self.at - ms)
        self.requests = averaged(faded(self.requests, silence), requests, ms)
        self.errors = averaged(faded(self.errors, silence), errors, ms)
        self.at = now
        self.last = Last(requests, errors, ms) if requests else NOTHING

    def standing(self, now: int) -> tuple[int, int]:
        """Requests and errors in millionths per second now."""
        silence = max(0, now - self.at - LATE)
        return faded(self.requests, silence), faded(self.errors, silence)

    def latest(self, now: int) -> Last:
        """What was counted last, unless that is long ago."""
        return self.last if now - self.at <= LATE else NOTHING


class Account:
    """What one stream of reports said. A report costs what the ways in use do."""

    def __init__(self) -> None:
        self._ways: dict[Way, Moving] = {}

    def take(self, counts: Iterable[Count], now: int) -> None:
        """One report. Clusters of several ports of a service are one way."""
        found: dict[Way, tuple[int, int, int, int]] = {}
        for one in counts:
            ms, requests, errors, active = found.get(one.way, (0, 0, 0, 0))
            requests += one.requests * 1_000_000_000 // one.ms
            errors += one.errors * 1_000_000_000 // one.ms
            found[one.way] = max(ms, one.ms), requests, errors, active + one.active
        for way, moving in self._ways.items():
            if way not in found:
                moving.take(now - moving.at, 0, 0, now)
                moving.active = 0
        for way, (ms, requests, errors, active) in found.items():
            moving = self._ways.setdefault(way, Moving(now - ms))
            moving.take(ms, requests, errors, now)
            moving.active = active

    def close(self) -> None:
        """The stream ended: nothing is under way that we know of, and what comes now is counted by another."""
        for moving in self._ways.values():
            moving.active = 0
            moving.last = NOTHING

    def standing(self, now: int) -> Iterator[tuple[Way, int, int, int]]:
        """Each way with its requests and errors in millionths per second, and how many are under way."""
        for way, moving in list(self._ways.items()):
            requests, errors = moving.standing(now)
            if requests < GONE and not moving.active:
                del self._ways[way]
                continue
            yield way, requests, errors, moving.active

    def latest(self, now: int) -> Iterator[tuple[Way, Last]]:
        """Each way with what the last report said of it."""
        for way, moving in self._ways.items():
            yield way, moving.latest(now)

    @property
    def empty(self) -> bool:
        """True when nothing is left of it."""
        return not self._ways
