"""What is held of all targets, kept up to date by name: what costs is the names of which something moved. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import chain
from typing import TypeVar

from federation.health.verdict import Verdict
from federation.law.shares import Paths
from federation.model.report import TargetReport
from gslb.checks import Asked, Check, Finding, Findings, Reach, due, evidence, isolated, judge, reports, see
from gslb.moved import moved
from gslb.steer import FAMILY
from gslb.table import Table

K = TypeVar("K")
V = TypeVar("V")

Checks = Mapping[str, Mapping[Check, Asked]]
"""By name, its targets that are probed."""

Verdicts = Mapping[Check, Verdict]

NOBODY = Table({}, 0)
NONE: Findings = {}
UNHEARD = Verdict()


class Stock:
    """`findings` by name, `evidence`, what the law is told of them, and `reports`, what our controller is told: other
    objects as soon as something of them moved. `cut` are the families over which we reach nobody.
    """

    def __init__(self) -> None:
        self.findings: dict[str, Findings] = {}
        self.evidence: dict[tuple[str, int], Paths] = {}
        self.reports: dict[str, TargetReport] = {}
        self.cut: frozenset[int] = frozenset()
        self._table = NOBODY
        self._words = True
        self._last = 0
        self._due: dict[str, int] = {}
        self._said: dict[str, dict[str, TargetReport]] = {}
        self._asked: Counter[tuple[int, str]] = Counter()
        self._reached: Counter[tuple[int, str]] = Counter()

    @property
    def due(self) -> int:
        """The next Unix millisecond at which age alone moves something (0: none)."""
        return min(self._due.values(), default=0)

    def take(
        self, table: Table, checks: Checks, verdicts: Verdicts, heard: Iterable[str], reach: Reach, now: int
    ) -> bool:
        """Take stock at this Unix millisecond; True when the law is to be told something new.

        `heard` are the names of which a verdict moved, or what is probed.
        """
        hosts = self._stale(table, heard, reach, now)
        fresh = {host: {check: verdicts.get(check, UNHEARD) for check in checks.get(host, ())} for host in hosts}
        for host, found in fresh.items():
            self._count(host, found)
        cut = self._cut_off(table, reach)
        if cut != self.cut:
            fresh |= {host: {check: verdicts.get(check, UNHEARD) for check in each} for host, each in checks.items()}
        self.cut, self._table, self._words, self._last = cut, table, reach.words, now
        judged = {host: self._judged(host, found, now) for host, found in fresh.items()}
        return self._keep(judged, now)

    def _stale(self, table: Table, heard: Iterable[str], reach: Reach, now: int) -> set[str]:
        """The names to look at."""
        was = self._table
        if table.own != was.own or reach.words != self._words or now < self._last:
            return set(self.findings).union(table.steered)
        found = {*moved(was.steered, table.steered), *heard}
        found.update(host for _, host in moved(was.witnesses, table.witnesses))
        found.update(host for host, at in self._due.items() if now >= at)
        return {host for host in found if host in self.findings or host in table.steered}

    def _count(self, host: str, fresh: Verdicts) -> None:
        """Which members are reached, by family."""
        for check, finding in self.findings.get(host, NONE).items():
            self._asked[check.kind, check.member] -= 1
            self._reached[check.kind, check.member] -= finding.own.up
        for check, verdict in fresh.items():
            self._asked[check.kind, check.member] += 1
            self._reached[check.kind, check.member] += verdict.up is not False

    def _cut_off(self, table: Table, reach: Reach) -> frozenset[int]:
        asked = [one for one, count in self._asked.items() if count and one[1] != table.own]
        found = set()
        for kind in FAMILY:
            reached = {member: self._reached[kind, member] > 0 for of, member in asked if of == kind}
            if any(one[0] == kind and count for one, count in self._asked.items()) and isolated(reached, reach, kind):
                found.add(kind)
        return frozenset(found)

    def _judged(self, host: str, verdicts: Verdicts, now: int) -> dict[Check, Finding]:
        seen = {
            check: see(self._table, check, verdict, self._words, check.kind in self.cut)
            for check, verdict in verdicts.items()
        }
        return judge(self._table, host, seen, self.findings.get(host, NONE), now) if seen else {}

    def _keep(self, judged: Mapping[str, dict[Check, Finding]], now: int) -> bool:
        changed = {host: found for host, found in judged.items() if found != self.findings.get(host, NONE)}
        told = {host: evidence(found) for host, found in changed.items()}
        was = self.evidence
        news = [
            (host, kind) for host, ways in told.items() for kind in FAMILY if ways.get(kind) != was.get((host, kind))
        ]
        if changed:
            self.findings = _changed(self.findings, changed)
        for host, found in judged.items():
            _put(self._due, host, due(found.values(), now))
        said = {host: reports(found) for host, found in changed.items()}
        if any(one != self._said.get(host, {}) for host, one in said.items()):
            self._said = _changed(self._said, said)
            self.reports = dict(chain.from_iterable(one.items() for one in self._said.values()))
        if news:
            self.evidence = _changed(was, {(host, kind): told[host].get(kind) for host, kind in news})
        return bool(news)


def _changed(held: dict[K, V], changes: Mapping[K, V | None]) -> dict[K, V]:
    """Another map with these changes; what is empty goes."""
    found = dict(held)
    for key, value in changes.items():
        _put(found, key, value)
    return found


def _put(held: dict[K, V], key: K, value: V | None) -> None:
    if value:
        held[key] = value
    else:
        held.pop(key, None)
