"""What the packet path (`dns/packet`) is told of a steering: what changed, in wire form. Pure."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from io import BytesIO

import dns.name
import dns.rdata
from dns.ipv4 import inet_aton
from dns.ipv6 import inet_aton as inet_aton_v6
from msgspec import Struct

from gslb.guides import NO_GUIDES, Maps
from gslb.hints import SVCB_KINDS, has_hints
from gslb.lookup import TARGETS
from gslb.ranges import NONE, ByClient, Mapped
from gslb.steer import FAMILY, Outcome, Standpoint, Steering
from gslb.table import Table
from gslb.wire import rdataset_of
from gslb.zone import ALIAS, CLUSTER, CNAME, DNAME, Rows, RRsets, Zone

WireRRset = tuple[int, int, list[tuple[bytes, list[int]]]]
"""Type, TTL in seconds, and the data of each record with where the names begin in it that may be compressed."""

WireNode = tuple[bool, bool, bool, list[WireRRset]]
"""Whether a name is delegated, has a DNAME, or is ours to answer with all names below it; and its data."""

LEADING = frozenset((CNAME, DNAME, *TARGETS))
"""Types whose data name a host that is looked up."""


_LENGTHS = [bytes((length,)) for length in range(64)]


class ZoneChange(Struct, frozen=True):
    """A zone's SOA of negative answers, and the names that changed (None: it is gone); all when it is `whole`."""

    apex: bytes
    soa: WireRRset
    whole: bool
    nodes: list[tuple[bytes, WireNode | None]]


Side = tuple[Sequence[int], Sequence[int], int, Sequence[int], Sequence[int]]
"""Starts and values of ranges of IPv4; the bits that count, starts and values of IPv6."""

WireMap = tuple[Side, Side | None]
"""Values by whole addresses, and by client subnets (None: the same)."""

WireSteered = tuple[str, list[list[int]], bool, bool]
"""The text of a name; its guides, each of the maps whose smallest value counts; whether it ignores client subnets, and
has HTTPS records of its own.
"""


class Change(Struct, frozen=True):
    """What the next table has other than the last. `steered` are by name (None: it is gone). `maps` are the new ones by
    number, `unmapped` the numbers of those that are gone. `known` is that of the table, `key` that of picks. No outcome
    that was told before holds `elsewhere`.
    """

    key: bytes
    known: bool
    elsewhere: bool
    zones: list[ZoneChange]
    gone: list[bytes]
    steered: list[tuple[bytes, WireSteered | None]]
    maps: list[tuple[int, WireMap]]
    unmapped: list[int]


def change_of(steering: Steering, before: Steering | None) -> Change:
    """What changed from one steering to the next; all of it when there was none."""
    table, was = steering.table, before.table if before else None
    hosts = _moved(steering, before)
    maps, maps_before = _maps(table), _maps(was)
    steered = [(wire_of(host), _steered(table, host) if host in table.steered else None) for host in hosts]
    return Change(
        key=table.key.ljust(16, b"\0"),
        known=table.known,
        elsewhere=before is not None and steering.elsewhere(before),
        zones=list(_zones(table.zones, was.zones if was else {}, table.headless, was.headless if was else {})),
        gone=[wire_of(apex) for apex in was.zones.keys() - table.zones.keys()] if was else [],
        steered=steered,
        maps=[(number, _map(one)) for number, one in maps.items() if number not in maps_before],
        unmapped=list(maps_before.keys() - maps.keys()),
    )


def parts_of(kind: int, outcome: Outcome) -> list[tuple[int, WireRRset]]:
    """The parts of an outcome: parts per million and records."""
    return [(part.ppm, (kind, outcome.ttl, [(data, []) for data in _packed(part.addresses)])) for part in outcome.parts]


def wire_of(name: str) -> bytes:
    """A name in wire form (RFC 1035 section 3.1)."""
    if "\\" in name:
        return dns.name.from_text(name).to_wire() or b""
    return b"".join([_LENGTHS[len(label)] + label for label in name.encode().split(b".")]) + b"\0"


def _zones(
    zones: Mapping[str, Zone], was: Mapping[str, Zone], ours: Collection[str], ours_before: Collection[str]
) -> Iterable[ZoneChange]:
    for apex, zone in zones.items():
        before = was.get(apex)
        here, there = (set(ours), set(ours_before)) if apex == CLUSTER else (set(), set())
        if zone is not before or here != there:
            names = _touched(zone, before) | (here ^ there if before else here)
            nodes = [(wire_of(name), _node(zone, name, name in here)) for name in names]
            yield ZoneChange(wire_of(apex), _rrset(zone.soa[1], (zone.soa,)), before is None, nodes)


def _touched(zone: Zone, before: Zone | None) -> set[str]:
    """The names of which something is another than before."""
    if before is None:
        return {*zone.names, *zone.inner}
    touched = set((zone.inner ^ before.inner) | (zone.cuts ^ before.cuts) | (zone.dnames ^ before.dnames))
    if zone.names is before.names:
        return touched
    held = before.names.get
    fresh = {name for name, rrsets in zone.names.items() if held(name) is not rrsets}
    return touched.union(fresh, (name for name in before.names if name not in zone.names))


def _node(zone: Zone, name: str, ours: bool) -> WireNode | None:
    rrsets = zone.names.get(name, {})
    if ours or not _is_plain(rrsets):
        return False, False, True, []
    if not zone.exists(name):
        return None
    data = [_steerable(kind, rows) or _rrset(kind, rows) for kind, rows in rrsets.items()]
    return name in zone.cuts, name in zone.dnames, False, data


def _steerable(kind: int, rows: Rows) -> WireRRset | None:
    """Without records, where they may hang on the law: an ALIAS, and hints of addresses."""
    return (kind, 0, []) if kind == ALIAS or (kind in SVCB_KINDS and any(map(has_hints, rows))) else None


def _is_plain(rrsets: RRsets) -> bool:
    """False where a name that is looked up has escapes in it: one name has many forms then."""
    return not any("\\" in text for kind, rows in rrsets.items() if kind in LEADING for _, _, _, text in rows)


def _rrset(kind: int, rows: Rows) -> WireRRset:
    if kind in FAMILY:
        data = _packed(text for _, _, _, text in rows)
        return kind, min(ttl for _, _, ttl, _ in rows), [(one, []) for one in data]
    made = rdataset_of(kind, tuple((ttl, text) for _, _, ttl, text in rows))
    return kind, made.ttl, [_record(rdata) for rdata in made]


def _packed(addresses: Iterable[str]) -> list[bytes]:
    """Each address once."""
    return list(dict.fromkeys(inet_aton_v6(text) if ":" in text else inet_aton(text) for text in addresses))


class _Begun(dict[dns.name.Name, int]):
    """What dnspython takes for names that were written before: it finds none, and keeps where each begins."""

    def __init__(self) -> None:
        self.at: list[int] = []
        self._end = 0

    def __setitem__(self, name: dns.name.Name, at: int) -> None:
        if at >= self._end:
            self.at.append(at)
            self._end = at + len(name.to_wire() or b"")


def _record(rdata: dns.rdata.Rdata) -> tuple[bytes, list[int]]:
    file, begun = BytesIO(), _Begun()
    rdata.to_wire(file, begun)
    return file.getvalue(), begun.at


def stand_of(table: Table, values: Sequence[int]) -> Standpoint:
    """Where a client stands for whom the guides of a name have these values; the first is that of its locality."""
    near, *marks = values
    return Standpoint(table.own if near == NONE else table.subnets.members[near], tuple(marks))


def _guides(table: Table, host: str) -> list[tuple[Mapped | ByClient, ...]]:
    return [(table.subnets.by_client,), *(guide.maps for guide in table.guides.get(host, NO_GUIDES).guides)]


def _steered(table: Table, host: str) -> WireSteered:
    name = table.steered[host].name
    guides = [[id(one) for one in maps] for maps in _guides(table, host)]
    return host, guides, name.ignore_subnet, bool(name.alpn)


def _moved(steering: Steering, before: Steering | None) -> Collection[str]:
    """The names of which something is another than before."""
    table, was = steering.table, before.table if before else None
    if before is None or was is None:
        return table.steered
    if table.subnets is not was.subnets or table.own != was.own:
        return table.steered.keys() | was.steered.keys()
    return steering.moved(before)


def _maps(table: Table | None) -> Maps:
    """Every map that a name is steered by."""
    return {} if table is None else {**table.maps, id(table.subnets.by_client): table.subnets.by_client}


def _map(one: Mapped | ByClient) -> WireMap:
    return (_side(one.whole), _side(one.shared)) if isinstance(one, ByClient) else (_side(one), None)


def _side(one: Mapped) -> Side:
    return one.v4.starts, one.v4.values, one.v6.bits, one.v6.starts, one.v6.values
