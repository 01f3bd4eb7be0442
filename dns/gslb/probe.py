"""This server's probes: what the table asks for and the operator's anchors, kept going; and what they say."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from federation.model.cidr import Network
from federation.model.policy import Probe
from federation.probing.prober import Prober
from federation.probing.target import Composite, Target
from gslb.bounds import astray
from gslb.checks import Address, Check, Reach, Server, servers_of, words_of
from gslb.probe_options import ProbeOptions
from gslb.probed import Probed
from gslb.steer import FAMILY
from gslb.stock import Stock
from gslb.table import Table

DNS = 53
NO_OPTIONS = ProbeOptions()
ALONE = "we reach no other member's address over IPv{}: answers go on without the evidence of probes"


class Watch:
    """Probes the targets of a table and the anchors outside. `changed` is set when a verdict moved, `stock` is what is
    held of all targets.
    """

    def __init__(self, outside: Sequence[Address] = (), options: ProbeOptions = NO_OPTIONS) -> None:
        self.stock = Stock()
        self._bounds = options.bounds
        self._probed = Probed(options.bounds)
        self._heard: set[str] = set()
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
        servers = (one for one in servers_of(table) if not astray(one[1], ranges, self._bounds))
        self._servers.want({one: _connection(one[1], DNS) for one in servers})
        hosts, changes = self._probed.turn(table, ranges)
        self._targets.adjust(changes)
        self._heard |= hosts

    def problems(self) -> tuple[str, ...]:
        """One line for each family over which we reach nobody, for each reason for which targets may not be probed, and
        for each for which some cannot be.
        """
        alone = (ALONE.format(FAMILY[kind]) for kind in sorted(self.stock.cut))
        return (*alone, *self._probed.refused, *self._targets.problems())

    def parts(self, check: Check) -> list[tuple[str, bool | None]]:
        """What each probe of this target is, and what it finds (None: nothing yet)."""
        found = self._targets.parts(check)
        asked = self._probed.names.get(check.host, {}).get(check)
        return [(words_of(probe), one.up) for probe, one in zip(asked.probes if asked else (), found, strict=False)]

    def judge(self, table: Table, now: int, words: bool = True) -> bool:
        """Take stock at this Unix millisecond; True when the law is to be told something new.

        `words`: other members' words are fresh.
        """
        heard = self._heard.union(check.host for check in self._targets.moved())
        self._heard = set()
        anchors = {address: one.up is not False for address, one in self._anchors.verdicts.items()}
        servers = {server: one.up is not False for server, one in self._servers.verdicts.items()}
        reach = Reach(anchors, servers, words)
        return self.stock.take(table, self._probed.names, self._targets.verdicts, heard, reach, now)

    async def until_due(self, events: Sequence[asyncio.Event], now: int, at_most: float) -> None:
        """Wait for one of the events, for age alone to move a finding, or for `at_most` seconds."""
        due = self.stock.due
        left = min(at_most, max(0.0, (due - now) / 1_000)) if due else at_most
        waits = [asyncio.ensure_future(event.wait()) for event in events]
        try:
            await asyncio.wait(waits, timeout=left, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()


def _connection(address: str, port: int) -> Composite:
    return Composite((Target(address, port, host="", probe=Probe()),))
