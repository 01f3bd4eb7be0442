"""The handout compiled into a table. Pure.

What one key of the handout gives is worked out once and kept while the key stays the same, and so is what several give
while none of them moved: a new table costs what changed, and one copy of the indexes.
"""

from collections.abc import Collection, Iterable, Mapping
from operator import is_

from msgspec import Struct

from federation.law.pick import pick_key
from federation.model.handout import HeadlessSlice, Import, Place, Site, Steered, Witness
from federation.model.names import ServiceKey
from federation.model.routing import Routing
from federation.model.standing import Standing
from gslb.cluster import ZONE, Piece, cluster_zone, piece_of
from gslb.guides import NO_ATLAS, Atlas, Guides, Guiding
from gslb.headless import Headless
from gslb.kinds import Kinds
from gslb.locality import Line, Subnets, compile_subnets
from gslb.moved import Again
from gslb.names import Ground, Names
from gslb.table import Table
from gslb.zone import NO_ZONES, Zone, public_zones

_Told = tuple[Import, *tuple[HeadlessSlice, ...]]
Places = dict[str, Place]


class Compiler:
    """Makes tables from handouts, and from the operator's lines of `--subnets` and his atlas."""

    def __init__(self, lines: tuple[Line, ...] = (), atlas: Atlas = NO_ATLAS) -> None:
        self._lines = lines
        self._guiding = Guiding(atlas)
        self._begin()

    def _begin(self) -> None:
        """Nothing is kept of any table."""
        self._kinds = Kinds()
        self._names = Names()
        self._drawn = True
        self._pieces: dict[ServiceKey, tuple[_Told, Piece]] = {}
        self._mapped: tuple[object, Subnets] | None = None
        self._ground: tuple[object, ...] = ()
        self._places = Again(_places)
        self._imported = Again(self._import)
        self._headless = Again(_headless)
        self._cluster = Again(cluster_zone)
        self._ways = Again(_ways)
        self._witnesses = Again(_witnesses)

    def compile(self, values: Mapping[str, Struct], serial: int, files: Mapping[str, Zone] = NO_ZONES) -> Table:
        """The table of this handout; `serial` is its revision. `files` are zones from files, by apex: they stand beside
        those of the handout, and one of these has the names of its file. ValueError when it cannot be read.
        """
        try:
            return self._compiled(values, serial, files)
        except ValueError:
            self._guiding = Guiding(self._guiding.atlas)
            self._begin()
            raise

    def _compiled(self, values: Mapping[str, Struct], serial: int, files: Mapping[str, Zone]) -> Table:
        self._kinds.take(values)
        site = values.get("site")
        own, domain = (site.member, site.domain) if isinstance(site, Site) else ("", "")
        places = self._places(self._kinds.of(Place))
        public, problems = public_zones(own, places.values(), serial)
        pieces = self._imported(self._kinds.of(Import), self._kinds.of(HeadlessSlice))
        headless, odd = self._headless(pieces)
        zones = {ZONE: self._cluster(pieces).at(serial), **public, **files}
        hosts = self._named(Ground(zones, public, files), (own, _granted(places.values()), files))
        subnets = self._subnets(own, places.values())
        guides = self._guides(self._names.steered, hosts)
        witnesses = self._kinds.of(Witness)
        return Table(
            zones={apex: zone.holding(self._names.inner(apex)) for apex, zone in zones.items()},
            serial=serial,
            steered=self._names.steered,
            headless=headless,
            ways=self._ways(own, witnesses),
            places=places,
            subnets=subnets,
            own=own,
            key=pick_key(domain),
            witnesses=self._witnesses(own, witnesses),
            guides=guides,
            maps=self._guiding.maps,
            latencies=self._guiding.atlas.latencies,
            problems=(*problems, *self._names.problems, *subnets.problems, *_blind(self._guiding.blind), *odd),
        )

    def draw(self, atlas: Atlas) -> bool:
        """From the next table on by this atlas; True when it is another."""
        fresh = atlas is not self._guiding.atlas
        if fresh:
            self._guiding, self._drawn = Guiding(atlas), True
        return fresh

    def _named(self, ground: Ground, by: tuple[object, ...]) -> set[str]:
        """`by` is what the ground is made of, but for serials."""
        same = by == self._ground
        self._ground = by
        return self._names.take(self._kinds.of(Steered), self._kinds.moved(Steered), ground, same)

    def _guides(self, steered: Mapping[str, Steered], hosts: Iterable[str]) -> dict[str, Guides]:
        """By host, of which these may have another tree; all may by another atlas."""
        anew, self._drawn = self._drawn, False
        return self._guiding.adjust({host: _tree(steered.get(host)) for host in (steered if anew else hosts)})

    def _import(self, imports: Mapping[str, Import], slices: Mapping[str, HeadlessSlice]) -> list[Piece]:
        kept: dict[ServiceKey, tuple[_Told, Piece]] = {}
        for service, told in _told(imports.values(), slices.values()).items():
            before = self._pieces.get(service)
            if before is not None and _same(before[0], told):
                kept[service] = before
            else:
                kept[service] = (told, piece_of(told[0], told[1:]))
        self._pieces = kept
        return [piece for _, piece in kept.values()]

    def _subnets(self, own: str, places: Iterable[Place]) -> Subnets:
        ranges = [(place.member, place.number, place.region, place.subnets) for place in places]
        if self._mapped is None or self._mapped[0] != (own, ranges):
            self._mapped = ((own, ranges), compile_subnets(own, places, self._lines))
        return self._mapped[1]


def _places(found: Mapping[str, Place]) -> Places:
    return {value.member: value for value in found.values()}


def _granted(places: Iterable[Place]) -> list[object]:
    """What zones are made of: nothing of where clients are."""
    return [(place.member, place.number, place.zones, place.nameservers) for place in places]


def _headless(pieces: Iterable[Piece]) -> tuple[dict[str, Headless], list[str]]:
    """By name; and what is wrong with them."""
    found = {one.headless.item.service.host: one.headless for one in pieces if one.headless}
    return found, [line for one in found.values() for line in one.problems]


def _tree(item: Steered | None) -> Routing | None:
    return item.name.routing if item is not None else None


def _blind(hosts: Collection[str]) -> list[str]:
    if not hosts:
        return []
    more = f" and {len(hosts) - 1} more" if len(hosts) > 1 else ""
    return [f'name "{min(hosts)}"{more}: the tree asks where clients are, which is not known: start with --geo FILE']


def _told(found: Iterable[Import], headless: Iterable[HeadlessSlice]) -> dict[ServiceKey, _Told]:
    """The imports with the slices of headless ones."""
    slices: dict[ServiceKey, list[HeadlessSlice]] = {}
    for value in headless:
        slices.setdefault(value.service, []).append(value)
    return {item.service: (item, *slices.get(item.service, ())) for item in found}


def _same(before: _Told, fresh: _Told) -> bool:
    """True when both are the very same objects: what did not change in a handout stays the same object."""
    return len(before) == len(fresh) and all(map(is_, before, fresh))


def _ways(own: str, found: Mapping[str, Witness]) -> dict[str, Standing]:
    """The members to which our own member says that every link is down."""
    return {
        value.evidence.about: Standing(up=False, since=value.evidence.since * 1_000)
        for value in found.values()
        if value.evidence.kind == "link" and value.observer == own
    }


def _witnesses(own: str, said: Mapping[str, Witness]) -> dict[tuple[str, str], frozenset[str]]:
    """By member and host: who says that this target is down, without the member itself and us."""
    found: dict[tuple[str, str], set[str]] = {}
    for value in said.values():
        if value.evidence.kind == "target":
            about, host = value.evidence.about, value.evidence.host
            if value.observer not in (own, about):
                found.setdefault((about, host), set()).add(value.observer)
    return {key: frozenset(observers) for key, observers in found.items()}
