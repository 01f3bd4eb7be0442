"""Zones: their names with fixed data, and the public zones that the ledger grants our member. Pure."""

import re
from collections.abc import Iterable, Mapping
from ipaddress import ip_address

from msgspec import Struct, structs

from federation.model.handout import Place

A, NS, CNAME, SOA, TXT, AAAA, SRV, DNAME, DS, SVCB, HTTPS = 1, 2, 5, 6, 16, 28, 33, 39, 43, 64, 65
ALIAS = 65_401
"""A private number (RFC 6895 section 3.1); never on the wire."""

CLUSTER = "clusterset.local"
NEGATIVE_TTL = 30
"""Seconds that a resolver may keep a negative answer of a public zone (RFC 2308 section 5), and the SOA."""

SERVER_TTL = 3_600
"""Seconds for NS records and the addresses of DNS servers: they come from the ledger."""

Row = tuple[str, int, int, str]
"""(owner, type, TTL in seconds, data as text)."""

Rows = tuple[Row, ...]

RRsets = Mapping[int, Rows]
"""The data of one name by type."""


class Zone(Struct, frozen=True):
    """One zone: `names` with their fixed RRsets by type (lower case, no final dot), and `inner`, every empty
    non-terminal and every name whose data is not fixed. `cuts` are the names that are delegated, `dnames` those with a
    DNAME.
    """

    apex: str
    soa: Row
    names: dict[str, RRsets]
    inner: frozenset[str]
    cuts: frozenset[str] = frozenset()
    dnames: frozenset[str] = frozenset()

    def exists(self, name: str) -> bool:
        """True when the name has data or stands above one that has (RFC 8020)."""
        return name in self.names or name in self.inner

    def holding(self, more: frozenset[str]) -> "Zone":
        """The zone in which these names exist too."""
        if more <= self.inner:
            return self
        return structs.replace(self, inner=more if self.inner <= more else self.inner | more)

    def sharing(self, before: "Zone") -> "Zone":
        """This zone, in which what is as before is the very object of before."""
        held = before.names.get
        names = {name: was if (was := held(name)) == rrsets else rrsets for name, rrsets in self.names.items()}
        made = Zone(
            self.apex,
            self.soa,
            before.names if names == before.names else names,
            before.inner if self.inner == before.inner else self.inner,
            self.cuts,
            self.dnames,
        )
        return before if made == before else made

    def at(self, serial: int) -> "Zone":
        """The zone under another serial."""
        apex, kind, ttl, text = self.soa
        server, contact, _, *rest = text.split()
        soa = (apex, kind, ttl, " ".join((server, contact, str(serial % 2**32), *rest)))
        return structs.replace(self, soa=soa, names={**self.names, apex: {**self.names[apex], SOA: (soa,)}})


NO_ZONES: Mapping[str, Zone] = {}


def make_zone(apex: str, soa: Row, names: dict[str, RRsets], inner: Iterable[str] = ()) -> Zone:
    """A zone of these names; those above them are added."""
    above = {parent for name in names for parent in parents(name, apex)}
    return Zone(apex, soa, names, frozenset(above.union(inner)))


def parents(name: str, apex: str) -> list[str]:
    """The names between this one and the apex, which is the last of them; none for the apex itself."""
    labels = name.split(".")
    return [".".join(labels[index:]) for index in range(1, len(labels) - apex.count("."))]


def enclosing(zones: Mapping[str, Zone], name: str) -> Zone | None:
    """The most specific of the zones that the name lies in."""
    rest = name
    while rest:
        zone = zones.get(rest)
        if zone is not None:
            return zone
        rest = rest.partition(".")[2]
    return None


def public_zones(own: str, places: Iterable[Place], serial: int) -> tuple[dict[str, Zone], list[str]]:
    """The zones granted to the member `own` by apex, and one line for each that cannot be served."""
    ranked = sorted(places, key=lambda place: place.number)
    granted = sorted(zone for place in ranked if place.member == own for zone in place.zones)
    zones = {apex: _public(apex, ranked, serial) for apex in granted if not lies_in(apex, CLUSTER)}
    return zones, [
        f'zone "{apex}": lies in {CLUSTER}, which has its own names' for apex in granted if apex not in zones
    ]


def _public(apex: str, places: list[Place], serial: int) -> Zone:
    servers = [place for place in places if apex in place.zones]
    servers = [place for place in servers if place.nameservers] or servers
    names: dict[str, RRsets] = {apex: {}}
    for place in servers:
        host = server_name(place, apex)
        names[host] = _addresses(host, place.nameservers)
    soa = soa_row(apex, server_name(servers[0], apex), serial, NEGATIVE_TTL)
    rows = tuple((apex, NS, SERVER_TTL, f"{server_name(place, apex)}.") for place in servers)
    names[apex] = {SOA: (soa,), NS: rows}
    return make_zone(apex, soa, names)


def server_name(place: Place, apex: str) -> str:
    """The name of a member's DNS servers in a zone; one that is too long for a label ends with its number."""
    label = f"ns-{place.member}"
    end = f"-{place.number}"
    return f"{label if len(label) <= 63 else label[: 63 - len(end)] + end}.{apex}"


def soa_row(apex: str, server: str, serial: int, ttl: int) -> Row:
    """The SOA: `ttl` is its own and that of negative answers."""
    return (apex, SOA, ttl, f"{server}. hostmaster.{apex}. {serial % 2**32} 7200 1800 86400 {ttl}")


def _addresses(host: str, addresses: Iterable[str]) -> dict[int, Rows]:
    found: dict[int, Rows] = {}
    for text in addresses:
        kind = A if ip_address(text).version == 4 else AAAA
        found[kind] = (*found.get(kind, ()), (host, kind, SERVER_TTL, text))
    return found


_ESCAPED = re.compile(r"(\\\\)|\\\.")


def as_held(text: str) -> str:
    """The text of a name as tables have it: in lower case, without the final dot, with dots only between labels."""
    dotless = _ESCAPED.sub(lambda found: found[1] or "\\046", text) if "\\" in text else text
    return dotless.rstrip(".").lower()


def lies_in(name: str, apex: str) -> bool:
    """True for the apex and for every name below it."""
    return name == apex or name.endswith(f".{apex}")


def serial_of(zone: Zone) -> int:
    """The serial of its SOA."""
    return int(zone.soa[3].split()[2])
