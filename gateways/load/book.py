"""The book of a node: all accounts together, and what of it the controller is told. Sans-IO.

What is told stands still against noise: it moves when it is off by 5 % or by one request per second, whichever is more
(by half of itself below that), and at most once a second. A surge is told beside the averages, at once.
"""

from collections.abc import Iterable, Mapping

from federation.model.flows import Flow, FlowReport
from federation.model.names import ServiceKey
from gateways.load.account import Account
from gateways.load.counts import Count, Way
from gateways.load.surges import Surges

LOOK_MS = 900
"""Milliseconds between two looks: reports come every second, a little early or late."""

FIRST, LAST = 100, 50
"""Thousandths of a request per second from which a way is told, and below which it is told no more."""

ERRORS_STEP = 10_000
"""Parts per million by which the part of errors must move to be told."""

Told = tuple[int, int]


class Book:
    """Keeps what was told last, so that an idle service costs nothing. `reports` is another dict after each change."""

    def __init__(self) -> None:
        self._accounts: set[Account] = set()
        self._open: set[Account] = set()
        self._told: dict[Way, Told] = {}
        self._rising = Surges()
        self._rose: dict[ServiceKey, int] = {}
        self._looked = -LOOK_MS
        self.reports: dict[str, FlowReport] = {}

    def open(self) -> Account:
        """An Envoy begins to report."""
        account = Account()
        self._accounts.add(account)
        self._open.add(account)
        return account

    def close(self, account: Account) -> None:
        """It reports no more; what it counted fades."""
        account.close()
        self._open.discard(account)

    def take(self, account: Account, counts: Iterable[Count], now: int) -> bool:
        """One report; True when `reports` changed."""
        account.take(counts, now)
        return self.look(now)

    def look(self, now: int) -> bool:
        """Bring `reports` up to this millisecond; True when they changed."""
        if now - self._looked < LOOK_MS:
            return False
        self._looked = now
        sums = self._sums(now)
        rose = self._rising.look(sums, (one for account in self._accounts for one in account.latest(now)), now)
        told = dict(self._steadied(sums))
        if told == self._told and rose == self._rose:
            return False
        self._write(told, rose)
        return True

    def active(self, now: int) -> dict[Way, int]:
        """How many requests are under way on each way that is in use."""
        found: dict[Way, int] = {}
        for account in self._accounts:
            for way, _, _, active in account.standing(now):
                found[way] = found.get(way, 0) + active
        return found

    def _sums(self, now: int) -> dict[Way, tuple[int, int]]:
        sums: dict[Way, tuple[int, int]] = {}
        for account in list(self._accounts):
            for way, requests, errors, _ in account.standing(now):
                before = sums.get(way, (0, 0))
                sums[way] = before[0] + requests, before[1] + errors
            if account.empty and account not in self._open:
                self._accounts.discard(account)
        return sums

    def _steadied(self, sums: Mapping[Way, tuple[int, int]]) -> Iterable[tuple[Way, Told]]:
        for way, (requests, errors) in sums.items():
            kept = _steady(requests // 1_000, _part(errors, requests), self._told.get(way))
            if kept is not None:
                yield way, kept

    def _write(self, told: dict[Way, Told], rose: dict[ServiceKey, int]) -> None:
        moved = {way.service for way in told.keys() | self._told.keys() if told.get(way) != self._told.get(way)}
        moved |= {one for one in rose.keys() | self._rose.keys() if rose.get(one) != self._rose.get(one)}
        by_service: dict[ServiceKey, list[Flow]] = {service: [] for service in moved}
        for way, (mrps, errors) in sorted(one for one in told.items() if one[0].service in moved):
            by_service[way.service].append(Flow(way.source, way.to, mrps, errors))
        reports = dict(self.reports)
        for service, flows in by_service.items():
            reports.pop(f"flow/{service}", None)
            if flows or service in rose:
                reports[f"flow/{service}"] = FlowReport(service, tuple(flows), rose.get(service, 0))
        self.reports = reports
        self._told, self._rose = told, rose


def _part(errors: int, requests: int) -> int:
    return min(1_000_000, errors * 1_000_000 // requests) if requests else 0


def _steady(mrps: int, errors: int, told: Told | None) -> Told | None:
    """What to tell of a way, None: nothing."""
    if mrps < (FIRST if told is None else LAST):
        return None
    if told is None:
        return mrps, errors
    band = max(told[0] // 20, min(1_000, told[0] // 2))
    rate = mrps if abs(mrps - told[0]) > band else told[0]
    return rate, errors if abs(errors - told[1]) > ERRORS_STEP or not errors else told[1]
