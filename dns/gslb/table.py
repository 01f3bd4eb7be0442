"""The handout compiled into an immutable table that one query reads. Pure.

What one key of the handout gives is worked out once and kept while the key stays the same, so that a new table costs
what changed, and one copy of the indexes.
"""

from collections.abc import Collection, Iterable, Mapping
from operator import is_

from msgspec import Struct

from federation.law.pick import pick_key
from federation.model.handout import HeadlessSlice, Import, Place, Site, Steered, Witness
from federation.model.names import ServiceKey
from federation.model.standing import Standing
from gslb.cluster import ZONE, Piece, cluster_zone, piece_of
from gslb.guides import NO_ATLAS, Atlas, Guides, Guiding
from gslb.headless import Headless
from gslb.latencies import NO_LATENCIES, Latencies
from gslb.locality import Line, Subnets, compile_subnets
from gslb.zone import AAAA, ALIAS, CNAME, NO_ZONES, A, Zone, enclosing, parents, public_zones


class Table(Struct, frozen=True):
    """What is answered. `zones` by apex; `steered` are the public names inside them, `headless` the headless services
    of clusterset.local by name; `ways` is what our own gateways find of the links to other members, `witnesses` the
    other members whose record says that a member's target for a host is down; `guides` are those of hosts with a
    tree of policies; `problems` one line each. `known` is False while there are zone files alone because no handout
    ever came: then nothing is said not to exist.
    """

    zones: dict[str, Zone]
    serial: int
    steered: dict[str, Steered] = {}
    headless: dict[str, Headless] = {}
    ways: dict[str, Standing] = {}
    places: dict[str, Place] = {}
    subnets: Subnets = Subnets()
    own: str = ""
    key: bytes = b""
    witnesses: dict[tuple[str, str], frozenset[str]] = {}
    guides: dict[str, Guides] = {}
    latencies: Latencies = NO_LATENCIES
    problems: tuple[str, ...] = ()
    known: bool = True

    def zone_of(self, name: str) -> Zone | None:
        """The most specific zone that this lower-case name lies in; None when it is not ours to answer."""
        return enclosing(self.zones, name)


_Told = tuple[Import, *tuple[HeadlessSlice, ...]]


class Compiler:
    """Makes tables from handouts, and from the operator's lines of `--subnets` and his atlas."""

    def __init__(self, lines: tuple[Line, ...] = (), atlas: Atlas = NO_ATLAS) -> None:
        self._lines = lines
        self._guiding = Guiding(atlas)
        self._pieces: dict[ServiceKey, tuple[_Told, Piece]] = {}
        self._mapped: tuple[object, Subnets] | None = None

    def compile(self, values: Mapping[str, Struct], serial: int, files: Mapping[str, Zone] = NO_ZONES) -> Table:
        """The table of this handout; `serial` is its revision. `files` are zones from files, by apex: they stand beside
        those of the handout, and one of these has the names of its file.
        """
        site = values.get("site")
        own, domain = (site.member, site.domain) if isinstance(site, Site) else ("", "")
        places: dict[str, Place] = {value.member: value for value in values.values() if isinstance(value, Place)}
        public, problems = public_zones(own, places.values(), serial)
        pieces = self._imported(values.values())
        headless = {one.headless.item.service.host: one.headless for one in pieces if one.headless}
        zones = {ZONE: cluster_zone(pieces, serial), **public, **files}
        named = sorted((key, value) for key, value in values.items() if isinstance(value, Steered))
        steered = {value.name.host: value for _, value in reversed(named)}
        served, shadowed = _served(zones, public, files, steered)
        subnets = self._subnets(own, places.values())
        ours = {host: steered[host] for hosts in served.values() for host in hosts}
        guides = self._guiding.of({host: item.name.routing for host, item in ours.items() if item.name.routing})
        return Table(
            zones={apex: zone.with_names(served.get(apex, ())) for apex, zone in zones.items()},
            serial=serial,
            steered=ours,
            headless=headless,
            ways=_ways(own, values.values()),
            places=places,
            subnets=subnets,
            own=own,
            key=pick_key(domain),
            witnesses=_witnesses(own, values.values()),
            guides=guides,
            latencies=self._guiding.atlas.latencies,
            problems=(*problems, *shadowed, *subnets.problems, *_blind(guides), *_of_headless(headless.values())),
        )

    def _imported(self, values: Iterable[Struct]) -> list[Piece]:
        kept: dict[ServiceKey, tuple[_Told, Piece]] = {}
        for service, told in _told(values).items():
            before = self._pieces.get(service)
            if before is not None and _same(before[0], told):
                kept[service] = before
            else:
                kept[service] = (told, piece_of(told[0], told[1:]))
        self._pieces = kept
        return [piece for _, piece in kept.values()]

    def draw(self, atlas: Atlas) -> bool:
        """From the next table on by this atlas; True when it is another."""
        fresh = atlas is not self._guiding.atlas
        if fresh:
            self._guiding = Guiding(atlas)
        return fresh

    def _subnets(self, own: str, places: Iterable[Place]) -> Subnets:
        ranges = [(place.member, place.number, place.region, place.subnets) for place in places]
        if self._mapped is None or self._mapped[0] != (own, ranges):
            self._mapped = ((own, ranges), compile_subnets(own, places, self._lines))
        return self._mapped[1]


def _blind(guides: Mapping[str, Guides]) -> list[str]:
    hosts = sorted(host for host, one in guides.items() if one.blind)
    if not hosts:
        return []
    more = f" and {len(hosts) - 1} more" if len(hosts) > 1 else ""
    return [f'name "{hosts[0]}"{more}: the tree asks where clients are, which is not known: start with --geo FILE']


def _told(values: Iterable[Struct]) -> dict[ServiceKey, _Told]:
    """The imports with the slices of headless ones."""
    imports: dict[ServiceKey, Import] = {}
    slices: dict[ServiceKey, list[HeadlessSlice]] = {}
    for value in values:
        if isinstance(value, Import):
            imports[value.service] = value
        elif isinstance(value, HeadlessSlice):
            slices.setdefault(value.service, []).append(value)
    return {service: (item, *slices.get(service, ())) for service, item in imports.items()}


def _same(before: _Told, fresh: _Told) -> bool:
    """True when both are the very same objects: what did not change in a handout stays the same object."""
    return len(before) == len(fresh) and all(map(is_, before, fresh))


def _ways(own: str, values: Iterable[Struct]) -> dict[str, Standing]:
    """The members to which our own member says that every link is down."""
    return {
        value.evidence.about: Standing(up=False, since=value.evidence.since * 1_000)
        for value in values
        if isinstance(value, Witness) and value.evidence.kind == "link" and value.observer == own
    }


def _of_headless(found: Iterable[Headless]) -> list[str]:
    return [line for one in found for line in one.problems]


def _witnesses(own: str, values: Iterable[Struct]) -> dict[tuple[str, str], frozenset[str]]:
    """By member and host: who says that this target is down, without the member itself and us."""
    found: dict[tuple[str, str], set[str]] = {}
    for value in values:
        if isinstance(value, Witness) and value.evidence.kind == "target":
            about, host = value.evidence.about, value.evidence.host
            if value.observer not in (own, about):
                found.setdefault((about, host), set()).add(value.observer)
    return {key: frozenset(observers) for key, observers in found.items()}


def _served(
    zones: Mapping[str, Zone], granted: Collection[str], files: Collection[str], steered: Mapping[str, Steered]
) -> tuple[dict[str, list[str]], list[str]]:
    """The public names inside the zones granted to us, by zone; and what stands in the way of others."""
    found: dict[str, list[str]] = {}
    problems = []
    for host in steered:
        zone = enclosing(zones, host)
        if zone is None or zone.apex not in granted:
            continue
        why = _taken(zone, host, zone.apex in files)
        if why:
            problems.append(f'GlobalName "{host}": {why}; choose another')
            continue
        found.setdefault(zone.apex, []).append(host)
    return found, problems


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
