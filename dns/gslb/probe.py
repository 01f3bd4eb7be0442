"""This server's probes: what the table asks for and the operator's anchors, kept going; and what they say."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import chain, islice

from federation.model.cidr import Network
from federation.model.handout import Steered
from federation.model.policy import Kind, Probe
from federation.probing.prober import Prober
from federation.probing.target import Composite, Target
from gslb.bounds import astray, refused
from gslb.checks import Address, Asked, Check, Reach, Server, checks_of, servers_of, words_of
from gslb.moved import moved
from gslb.probe_options import ProbeOptions
from gslb.steer import FAMILY
from gslb.stock import Stock
from gslb.table import Table

DNS, HTTP, HTTPS = 53, 80, 443
PORTS: dict[Kind, int] = {"http": HTTP, "https": HTTPS, "grpc": HTTP, "grpcs": HTTPS, "icmp": 0, "exec": 0}
NO_OPTIONS = ProbeOptions()
NAMELESS: frozenset[Kind] = frozenset(("tcp", "icmp"))
ALONE = "we reach no other member's address over IPv{}: answers go on without the evidence of probes"
REFUSED_MAX = 100
"""Targets that may not be probed of which each has a line of its own."""

Ground = tuple[str, tuple[Network, ...]]
"""Our member, and the ranges of our own network."""


class Watch:
    """Probes the targets of a table and the anchors outside. `changed` is set when a verdict moved, `stock` is what is
    held of all targets.
    """

    def __init__(self, outside: Sequence[Address] = (), options: ProbeOptions = NO_OPTIONS) -> None:
        self.stock = Stock()
        self._bounds = options.bounds
        self._ground: Ground = ("", ())
        self._steered: dict[str, Steered] = {}
        self._asked: dict[str, dict[Check, Asked]] = {}
        self._refused: dict[str, tuple[str, ...]] = {}
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
        was, self._ground = self._ground, (table.own, ranges)
        same = was == self._ground
        hosts = moved(self._steered, table.steered) if same else self._steered.keys() | table.steered.keys()
        self._steered = table.steered
        wanted: dict[Check, Composite | None] = {}
        for host in hosts:
            wanted.update(self._want(host, table.steered.get(host)))
        self._targets.adjust(wanted)
        self._heard |= hosts

    def _want(self, host: str, item: Steered | None) -> dict[Check, Composite | None]:
        """What is probed of a name from now on (None: no more)."""
        asked = checks_of(item) if item is not None else {}
        left = refused(asked, *self._ground, self._bounds)
        before = self._asked.pop(host, {})
        self._refused.pop(host, None)
        if left:
            self._refused[host] = tuple(left.values())
        found: dict[Check, Composite | None] = dict.fromkeys(before)
        if item is not None and len(left) < len(asked):
            kept = self._asked[host] = {check: one for check, one in asked.items() if check not in left}
            found.update({check: _wanted(check, one, item.owner) for check, one in kept.items()})
        return found

    def problems(self) -> tuple[str, ...]:
        """One line for each family over which we reach nobody, for the first targets that may not be probed, and for
        each reason for which some cannot be.
        """
        lines = tuple(islice(chain.from_iterable(self._refused.values()), REFUSED_MAX))
        left = sum(map(len, self._refused.values())) - len(lines)
        more = (f"{left} more targets are not probed",) if left else ()
        alone = (ALONE.format(FAMILY[kind]) for kind in sorted(self.stock.cut))
        return (*alone, *lines, *more, *self._targets.problems())

    def parts(self, check: Check) -> list[tuple[str, bool | None]]:
        """What each probe of this target is, and what it finds (None: nothing yet)."""
        found = self._targets.parts(check)
        asked = self._asked.get(check.host, {}).get(check)
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
        return self.stock.take(table, self._asked, self._targets.verdicts, heard, reach, now)

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


def _wanted(check: Check, asked: Asked, owner: str) -> Composite:
    return Composite(tuple(_target(asked.address, check.host, one, owner) for one in asked.probes), asked.need)


def _target(address: str, host: str, probe: Probe, owner: str) -> Target:
    """Without a port: the usual one, and for a mere connection either of HTTPS's and HTTP's. What looks the same for
    every name that stands there has none.
    """
    host = "" if probe.way in NAMELESS else host
    if probe.way == "tcp" and not probe.port:
        return Target(address, HTTPS, host, probe, also=HTTP, group=owner)
    return Target(address, probe.port or PORTS[probe.way], host, probe, group=owner)
