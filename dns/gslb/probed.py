"""What a server probes, name by name, so that another table costs what is another in it. Pure."""

from collections.abc import Set
from heapq import nsmallest

from federation.model.cidr import Network
from federation.model.handout import Steered
from federation.model.policy import Kind, Probe
from federation.probing.target import Composite, Target
from gslb.bounds import Bounds, refused
from gslb.checks import Asked, Check, checks_of
from gslb.moved import alike, moved
from gslb.table import Table

HTTP, HTTPS = 80, 443
PORTS: dict[Kind, int] = {"http": HTTP, "https": HTTPS, "grpc": HTTP, "grpcs": HTTPS, "icmp": 0, "exec": 0}
NAMELESS: frozenset[Kind] = frozenset(("tcp", "icmp"))
REASONS_MAX = 100
"""Reasons why targets are not probed that have a line each."""

Changes = dict[Check, Composite | None]


class Probed:
    """`names` are the targets that are probed, by name; `refused` has one line for each reason why one is not: for
    which name, and for how many more.
    """

    def __init__(self, bounds: Bounds) -> None:
        self.names: dict[str, dict[Check, Asked]] = {}
        self.refused: tuple[str, ...] = ()
        self._bounds = bounds
        self._ground: tuple[str, tuple[Network, ...]] = ("", ())
        self._steered: dict[str, Steered] = {}
        self._why: dict[str, tuple[str, ...]] = {}
        self._reasons: dict[str, dict[str, None]] = {}

    def turn(self, table: Table, ranges: tuple[Network, ...]) -> tuple[Set[str], Changes]:
        """The names of which something is another by this table than by the last, and what is probed of them from now
        on (None: no more). `ranges` are those of our own network.
        """
        was, self._ground = self._ground, (table.own, ranges)
        same = was == self._ground
        hosts = moved(self._steered, table.steered) if same else self._steered.keys() | table.steered.keys()
        self._steered = table.steered
        changes: Changes = {}
        for host in sorted(hosts):
            changes.update(self._turn(host, table.steered.get(host)))
        if hosts:
            self.refused = self._lines()
        return hosts, changes

    def _lines(self) -> tuple[str, ...]:
        lines = []
        for why in nsmallest(REASONS_MAX, self._reasons):
            hosts = self._reasons[why]
            more = f" and {len(hosts) - 1} more" if len(hosts) > 1 else ""
            lines.append(f'name "{next(iter(hosts))}"{more}: {why}')
        left = len(self._reasons) - len(lines)
        return (*lines, *((f"{left} more targets are not probed",) if left else ()))

    def _turn(self, host: str, item: Steered | None) -> Changes:
        asked = checks_of(item) if item is not None else {}
        left = refused(asked, *self._ground, self._bounds)
        self._refuse(host, tuple(left.values()))
        changes: Changes = dict.fromkeys(self.names.pop(host, {}))
        if item is not None and len(left) < len(asked):
            kept = self.names[host] = {check: one for check, one in asked.items() if check not in left}
            changes.update({check: _wanted(check, one, item.owner) for check, one in kept.items()})
        return changes

    def _refuse(self, host: str, reasons: tuple[str, ...]) -> None:
        for why in self._why.pop(host, ()):
            self._reasons[why].pop(host, None)
            if not self._reasons[why]:
                del self._reasons[why]
        if reasons:
            self._why[host] = reasons = tuple(dict.fromkeys(reasons))
        for why in reasons:
            self._reasons.setdefault(why, {})[host] = None


def _wanted(check: Check, asked: Asked, owner: str) -> Composite:
    return alike(Composite(tuple(_target(asked.address, check.host, one, owner) for one in asked.probes), asked.need))


def _target(address: str, host: str, probe: Probe, owner: str) -> Target:
    """Without a port: the usual one, and for a mere connection either of HTTPS's and HTTP's. What looks the same for
    every name that stands there has none.
    """
    host = "" if probe.way in NAMELESS else host
    if probe.way == "tcp" and not probe.port:
        return Target(address, HTTPS, host, probe, also=HTTP, group=owner)
    return Target(address, probe.port or PORTS[probe.way], host, probe, group=owner)
