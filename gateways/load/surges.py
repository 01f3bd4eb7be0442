"""Surges of each service: the sum of what its ways counted last, held against the sum of their averages. Sans-IO."""

from collections.abc import Iterable, Mapping

from federation.law.surge import NONE, Counted, Surge, believed, without_retries
from federation.model.names import ServiceKey
from gateways.load.account import Last
from gateways.load.counts import Way

STILL = 20
"""What is told stands while it is off by less than one part in so many."""


class Sum:
    """One service, in millionths of requests and errors per second: averages, and what was counted last over `ms`."""

    __slots__ = ("errors", "ms", "now_errors", "now_requests", "requests")

    def __init__(self) -> None:
        self.requests = self.errors = self.now_requests = self.now_errors = self.ms = 0

    def add(self, last: Last) -> None:
        """One more way. The shortest time stands for all: chance is never taken for smaller than it is."""
        self.now_requests += last.requests
        self.now_errors += last.errors
        self.ms = min(self.ms, last.ms) if self.ms else last.ms

    def counted(self) -> Counted:
        """What the law is asked; retries are no surge."""
        fast = without_retries(self.now_requests, self.now_errors, self.errors)
        return Counted(self.requests // 1_000, max(0, fast) // 1_000, self.ms)


class Surges:
    """Which services surge; a look costs what the ways in use do."""

    def __init__(self) -> None:
        self._held: dict[ServiceKey, Surge] = {}
        self._told: dict[ServiceKey, int] = {}

    def look(
        self, slow: Mapping[Way, tuple[int, int]], latest: Iterable[tuple[Way, Last]], now: int
    ) -> dict[ServiceKey, int]:
        """Thousandths of requests per second that are believed of each service that surges."""
        sums: dict[ServiceKey, Sum] = {service: Sum() for service in self._held}
        for way, last in latest:
            if last.ms:
                sums.setdefault(way.service, Sum()).add(last)
        for way, (requests, errors) in slow.items():
            if one := sums.get(way.service):
                one.requests += requests
                one.errors += errors
        found = (
            (service, believed(self._held.get(service, NONE), one.counted(), now)) for service, one in sums.items()
        )
        self._held = {service: surge for service, surge in found if surge.level or surge.recent}
        self._told = {service: self._steady(service, one.level) for service, one in self._held.items() if one.level}
        return self._told

    def _steady(self, service: ServiceKey, level: int) -> int:
        told = self._told.get(service, 0)
        return told if abs(level - told) * STILL <= told else level
