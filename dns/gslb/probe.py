"""This server's probes: what the table asks for and the operator's anchors, kept going; and what they say."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from federation.model.cidr import Network
from federation.model.policy import Probe
from federation.model.report import TargetReport
from federation.probing.prober import Prober
from federation.probing.target import Composite, Target
from gslb import metrics
from gslb.bounds import astray
from gslb.checks import Address, Check, Finding, Reach, Server, due, judge, problems, reports, servers_of, words_of
from gslb.probe_options import ProbeOptions
from gslb.probed import Probed
from gslb.table import Table

DNS = 53
NO_OPTIONS = ProbeOptions()


class Watch:
    """Probes the targets of a table and the anchors outside. `changed` is set when a verdict moved; `reports` is what
    our controller is told of the `findings`.
    """

    def __init__(self, outside: Sequence[Address] = (), options: ProbeOptions = NO_OPTIONS) -> None:
        self.findings: dict[Check, Finding] = {}
        self.reports: dict[str, TargetReport] = {}
        self._alone: tuple[str, ...] = ()
        self._table: Table | None = None
        self._seen: tuple[int, ...] = ()
        self._last = self._due = 0
        self._bounds = options.bounds
        self._probed = Probed(options.bounds)
        self._targets: Prober[Check] = Prober(options.commands)
        self._anchors: Prober[Address] = Prober()
        self._servers: Prober[Server] = Prober()
        self._outside = outside
        self.changed = self._targets.changed

    def start(self) -> None:
        """Begin to probe the anchors; needs a running loop."""
        self._anchors.changed = self._servers.changed = self.changed
        self._anchors.want({one: _connection(*one) for one in self._outside})

    async def stop(self) -> None:
        """Probe nothing any more."""
        await self._targets.stop()
        await self._anchors.stop()
        await self._servers.stop()

    def want(self, table: Table, ranges: tuple[Network, ...] = ()) -> None:
        """Probe what this table asks for, from now on; `ranges` are those of our own network."""
        self._targets.adjust(self._probed.turn(table, ranges))
        servers = (one for one in servers_of(table) if not astray(one[1], ranges, self._bounds))
        self._servers.want({one: _connection(one[1], DNS) for one in servers})
        self._seen = ()

    def problems(self) -> tuple[str, ...]:
        """One line for each name that we are alone with, for each reason for which targets may not be probed, and for
        each for which they cannot be.
        """
        return (*self._alone, *self._probed.refused, *self._targets.problems())

    def parts(self, check: Check) -> list[tuple[str, bool | None]]:
        """What each probe of this target is, and what it finds (None: nothing yet)."""
        found = self._targets.parts(check)
        wanted = self._probed.of(check)
        return [
            (words_of(one.probe), seen.up) for one, seen in zip(wanted.parts if wanted else (), found, strict=False)
        ]

    def judge(self, table: Table, now: int, words: bool = True) -> bool:
        """Take stock at this Unix millisecond; True when the law is to be told something new.

        `words`: other members' words are fresh. Where nothing moved and nothing is due nothing is looked at.
        """
        seen = (words, *(one.changes for one in (self._targets, self._anchors, self._servers)))
        same = table is self._table and seen == self._seen and self._last <= now
        if same and not (self._due and now >= self._due):
            return False
        before, self.findings = self.findings, self._judged(table, now, words)
        self._table, self._seen, self._last = table, seen, now
        self._due = due(self.findings.values(), now)
        self.reports, self._alone = reports(self.findings), problems(self.findings)
        metrics.measure_targets(self.findings)
        return {key: one.way for key, one in before.items()} != {key: one.way for key, one in self.findings.items()}

    def _judged(self, table: Table, now: int, words: bool) -> dict[Check, Finding]:
        anchors = {address: one.up is not False for address, one in self._anchors.verdicts.items()}
        servers = {server: one.up is not False for server, one in self._servers.verdicts.items()}
        reach = Reach(anchors, servers, words)
        return judge(table, self._probed.checks, self._targets.verdicts, reach, self.findings, now)

    async def until_due(self, events: Sequence[asyncio.Event], now: int, at_most: float) -> None:
        """Wait for one of the events, for age alone to move a finding, or for `at_most` seconds."""
        left = min(at_most, max(0.0, (self._due - now) / 1_000)) if self._due else at_most
        waits = [asyncio.ensure_future(event.wait()) for event in events]
        try:
            await asyncio.wait(waits, timeout=left, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()


def _connection(address: str, port: int) -> Composite:
    return Composite((Target(address, port, host="", probe=Probe()),))
