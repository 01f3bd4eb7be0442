"""The public names inside the zones that are granted to us. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping

from msgspec import Struct

from federation.model.handout import Steered
from gslb.zone import AAAA, ALIAS, CNAME, A, Zone, enclosing, parents


class Ground(Struct, frozen=True):
    """Where names can stand: the zones as they are without them, the apexes of those `granted` to us, and of those from
    `files`.
    """

    zones: Mapping[str, Zone]
    granted: Collection[str]
    files: Collection[str]

    def place(self, host: str) -> tuple[str, str]:
        """The apex of the zone that the name stands in ("": none of ours), and what is in its way there."""
        zone = enclosing(self.zones, host)
        if zone is None or zone.apex not in self.granted:
            return "", ""
        return zone.apex, _taken(zone, host, zone.apex in self.files)


class Names:
    """`steered` are the names that are answered, by host: another map as soon as one moved."""

    def __init__(self) -> None:
        self.steered: dict[str, Steered] = {}
        self._items: Mapping[str, Steered] = {}
        self._keys: dict[str, tuple[str, ...]] = {}
        self._standing: dict[str, str] = {}
        self._problems: dict[str, str] = {}
        self._counts: dict[str, Counter[str]] = {}
        self._inner: dict[str, frozenset[str]] = {}

    def take(self, items: Mapping[str, Steered], keys: Iterable[str], ground: Ground, same: bool) -> set[str]:
        """From now on these items, by key, of which those of `keys` are others than before; of two for one host that of
        the first key. `same`: so is the ground. The hosts that were looked at.
        """
        was, self._items = self._items, items
        hosts = self._sorted(was, items, keys)
        if not same:
            hosts |= {*self._keys, *self._standing}
        if hosts:
            self.steered = dict(self.steered)
        for host in hosts:
            self._place(host, ground)
        return hosts

    @property
    def problems(self) -> list[str]:
        """One line for each name that cannot be answered."""
        return [self._problems[host] for host in sorted(self._problems)]

    def inner(self, apex: str) -> frozenset[str]:
        """The names of a zone, and those above them."""
        found = self._inner.get(apex)
        if found is None:
            found = self._inner[apex] = frozenset(self._counts.get(apex, ()))
        return found

    def _sorted(self, was: Mapping[str, Steered], items: Mapping[str, Steered], keys: Iterable[str]) -> set[str]:
        """The hosts of these items; by host the keys of its items are kept."""
        hosts = set()
        for key in keys:
            for item in (was.get(key), items.get(key)):
                if item is not None:
                    host = item.name.host
                    hosts.add(host)
                    self._keys[host] = tuple(sorted({*self._keys.get(host, ()), key}))
        for host in hosts:
            left = tuple(key for key in self._keys[host] if key in items and items[key].name.host == host)
            if left:
                self._keys[host] = left
            else:
                del self._keys[host]
        return hosts

    def _place(self, host: str, ground: Ground) -> None:
        keys = self._keys.get(host)
        apex, why = ground.place(host) if keys else ("", "")
        self._problems.pop(host, None)
        if why:
            self._problems[host] = f'GlobalName "{host}": {why}; choose another'
            apex = ""
        self._stand(host, apex)
        if apex and keys:
            self.steered[host] = self._items[keys[0]]
        else:
            self.steered.pop(host, None)

    def _stand(self, host: str, apex: str) -> None:
        before = self._standing.pop(host, "")
        if apex:
            self._standing[host] = apex
        if before != apex:
            self._count(host, before, -1)
            self._count(host, apex, 1)

    def _count(self, host: str, apex: str, by: int) -> None:
        if not apex:
            return
        counts = self._counts.setdefault(apex, Counter())
        for name in (host, *parents(host, apex)):
            counts[name] += by
            if not counts[name]:
                del counts[name]
        self._inner.pop(apex, None)


def _taken(zone: Zone, host: str, file: bool) -> str:
    """Why a steered name cannot stand there ("": it can): the zone has addresses for it, or leads elsewhere."""
    if not file:
        server = host in zone.names and host != zone.apex
        return f"is the name of a DNS server of zone {zone.apex}" if server else ""
    above = next((one for one in (host, *parents(host, zone.apex)) if one in zone.cuts or one in zone.dnames), None)
    if above is not None:
        return f"zone {zone.apex} leads elsewhere from {above}"
    held = {A, AAAA, CNAME, ALIAS}.intersection(zone.names.get(host, {}))
    return f"zone {zone.apex} has addresses of its own there" if held else ""
