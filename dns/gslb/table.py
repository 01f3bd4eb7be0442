"""The handout compiled into an immutable table that one query reads. Pure.

What one key of the handout gives is worked out once and kept while the key stays the same, so that a new table costs
what changed, and one copy of the indexes.
"""

from collections.abc import Iterable, Mapping

from msgspec import Struct

from federation.law.pick import pick_key
from federation.model.handout import Import, Place, Site, Steered, Witness
from gslb.cluster import ZONE, Piece, cluster_zone, piece_of
from gslb.locality import Line, Subnets, compile_subnets
from gslb.zone import Zone, enclosing, public_zones


class Table(Struct, frozen=True):
    """What is answered. `zones` by apex; `steered` are the public names inside them; `witnesses` the
    other members whose record says that a member's target for a host is down; `problems` one line each."""

    zones: dict[str, Zone]
    serial: int
    steered: dict[str, Steered] = {}
    places: dict[str, Place] = {}
    subnets: Subnets = Subnets({}, {})
    own: str = ""
    key: bytes = b""
    witnesses: dict[tuple[str, str], frozenset[str]] = {}
    problems: tuple[str, ...] = ()

    def zone_of(self, name: str) -> Zone | None:
        """The most specific zone that this lower-case name lies in; None when it is not ours to answer."""
        return enclosing(self.zones, name)


class Compiler:
    """Makes tables from handouts and the operator's lines of `--subnets`."""

    def __init__(self, lines: tuple[Line, ...] = ()) -> None:
        self._lines = lines
        self._pieces: dict[str, tuple[Import, Piece]] = {}
        self._mapped: tuple[object, Subnets] | None = None

    def compile(self, values: Mapping[str, Struct], serial: int) -> Table:
        """The table of this handout; `serial` is its revision."""
        site = values.get("site")
        own, domain = (site.member, site.domain) if isinstance(site, Site) else ("", "")
        places: dict[str, Place] = {value.member: value for value in values.values() if isinstance(value, Place)}
        public, problems = public_zones(own, places.values(), serial)
        zones = {ZONE: cluster_zone(self._imported(values), serial), **public}
        named = sorted((key, value) for key, value in values.items() if isinstance(value, Steered))
        steered = {value.name.host: value for _, value in reversed(named)}
        served, shadowed = _served(zones, steered)
        subnets = self._subnets(own, places.values())
        return Table(
            zones={apex: zone.with_names(served.get(apex, ())) for apex, zone in zones.items()},
            serial=serial,
            steered={host: steered[host] for hosts in served.values() for host in hosts},
            places=places,
            subnets=subnets,
            own=own,
            key=pick_key(domain),
            witnesses=_witnesses(own, values.values()),
            problems=(*problems, *shadowed, *subnets.problems),
        )

    def _imported(self, values: Mapping[str, Struct]) -> Iterable[Piece]:
        kept: dict[str, tuple[Import, Piece]] = {}
        for key, value in values.items():
            if isinstance(value, Import):
                before = self._pieces.get(key)
                kept[key] = before if before is not None and before[0] is value else (value, piece_of(value))
        self._pieces = kept
        return [piece for _, piece in kept.values()]

    def _subnets(self, own: str, places: Iterable[Place]) -> Subnets:
        ranges = [(place.member, place.number, place.region, place.subnets) for place in places]
        if self._mapped is None or self._mapped[0] != (own, ranges):
            self._mapped = ((own, ranges), compile_subnets(own, places, self._lines))
        return self._mapped[1]


def _witnesses(own: str, values: Iterable[Struct]) -> dict[tuple[str, str], frozenset[str]]:
    """By member and host: who says that this target is down, without the member itself and us."""
    found: dict[tuple[str, str], set[str]] = {}
    for value in values:
        if isinstance(value, Witness) and value.evidence.kind == "target":
            about, host = value.evidence.about, value.evidence.host
            if value.observer not in (own, about):
                found.setdefault((about, host), set()).add(value.observer)
    return {key: frozenset(observers) for key, observers in found.items()}


def _served(zones: Mapping[str, Zone], steered: Mapping[str, Steered]) -> tuple[dict[str, list[str]], list[str]]:
    """The public names inside our public zones, by zone; and what stands in the way of others."""
    found: dict[str, list[str]] = {}
    problems = []
    for host in steered:
        zone = enclosing(zones, host)
        if zone is None or zone.apex == ZONE:
            continue
        if host in zone.names and host != zone.apex:
            problems.append(f'GlobalName "{host}": is the name of a DNS server of zone {zone.apex}; choose another')
            continue
        found.setdefault(zone.apex, []).append(host)
    return found, problems
