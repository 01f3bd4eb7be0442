"""What a server probes, name by name, so that another table costs what is another in it. Pure."""

from collections import Counter
from collections.abc import Mapping
from itertools import chain

from msgspec import Struct

from federation.model.cidr import Network
from federation.model.handout import Steered
from federation.model.policy import Kind, Probe
from federation.probing.target import Composite, Target
from gslb.bounds import Bounds, refused
from gslb.checks import Asked, Check, asked_of
from gslb.table import Table

HTTP, HTTPS = 80, 443
PORTS: dict[Kind, int] = {"http": HTTP, "https": HTTPS, "grpc": HTTP, "grpcs": HTTPS, "icmp": 0, "exec": 0}


class OfName(Struct, frozen=True):
    """Of one name: how its targets are probed, and why the others are not."""

    item: Steered | None = None
    probes: Mapping[Check, Composite] = {}
    refused: tuple[str, ...] = ()


NOTHING = OfName()


class Probed:
    """`checks` are in order, `refused` has one line for each target's address and reason."""

    def __init__(self, bounds: Bounds) -> None:
        self.checks: tuple[Check, ...] = ()
        self.refused: tuple[str, ...] = ()
        self._bounds = bounds
        self._where: tuple[str, tuple[Network, ...]] | None = None
        self._names: dict[str, OfName] = {}

    def of(self, check: Check) -> Composite | None:
        """How this target is probed; None: it is not."""
        return self._names.get(check.host, NOTHING).probes.get(check)

    def turn(self, table: Table, ranges: tuple[Network, ...]) -> dict[Check, Composite | None]:
        """What is probed otherwise by this table than by the last (None: no more); `ranges` are of our own network."""
        before = self._others(table, ranges)
        after = {host: self._of_name(table, host, ranges) for host in before}
        self._names.update(after)
        for host in (one for one in before if one not in table.steered):
            del self._names[host]
        if any(one.probes.keys() != after[host].probes.keys() for host, one in before.items()):
            self.checks = tuple(chain.from_iterable(one.probes for _, one in sorted(self._names.items())))
        if any(one.refused != after[host].refused for host, one in before.items()):
            self.refused = _lines(self._names)
        return _changes(before, after)

    def _others(self, table: Table, ranges: tuple[Network, ...]) -> dict[str, OfName]:
        """The names that are others than in the last table, as they were."""
        where, self._where = self._where, (table.own, ranges)
        return {
            host: self._names.get(host, NOTHING)
            for host in dict.fromkeys(chain(table.steered, self._names))
            if where != self._where or self._names.get(host, NOTHING).item is not table.steered.get(host)
        }

    def _of_name(self, table: Table, host: str, ranges: tuple[Network, ...]) -> OfName:
        item = table.steered.get(host)
        if item is None:
            return NOTHING
        asked = asked_of(item)
        left = refused(asked, table.own, ranges, self._bounds)
        probes = {check: _wanted(check, one, item.owner) for check, one in asked.items() if check not in left}
        return OfName(item, probes, tuple(left.values()))


def _changes(before: Mapping[str, OfName], after: Mapping[str, OfName]) -> dict[Check, Composite | None]:
    found: dict[Check, Composite | None] = {}
    for host, old in before.items():
        new = after[host].probes
        found.update({check: None for check in old.probes if check not in new})
        found.update({check: wanted for check, wanted in new.items() if old.probes.get(check) != wanted})
    return found


def _lines(names: Mapping[str, OfName]) -> tuple[str, ...]:
    """The first name of each reason, and how many more have it."""
    first: dict[str, str] = {}
    count: Counter[str] = Counter()
    for host, one in sorted(names.items()):
        for why in one.refused:
            first.setdefault(why, host)
            count[why] += 1
    more = {why: f" and {number - 1} more" if number > 1 else "" for why, number in count.items()}
    return tuple(f'name "{host}"{more[why]}: {why}' for why, host in first.items())


def _wanted(check: Check, asked: Asked, owner: str) -> Composite:
    return Composite(tuple(_target(asked.address, check.host, one, owner) for one in asked.probes), asked.need)


def _target(address: str, host: str, probe: Probe, owner: str) -> Target:
    """Without a port: the usual one, and for a mere connection either of HTTPS's and HTTP's."""
    if probe.way == "tcp" and not probe.port:
        return Target(address, HTTPS, host, probe, also=HTTP, group=owner)
    return Target(address, probe.port or PORTS[probe.way], host, probe, group=owner)
