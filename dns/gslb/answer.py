"""The answer to one question (RFC 1034 section 4.3.2, RFC 2308). Pure."""

from collections.abc import Sequence
from itertools import islice

from msgspec import Struct

from gslb.locality import SCOPE
from gslb.steer import FAMILY, Client, Steering, version_of
from gslb.zone import AAAA, NS, SOA, SRV, TXT, A, Row, Rows, Zone

NOERROR, FORMERR, SERVFAIL, NXDOMAIN, NOTIMP, REFUSED = 0, 1, 2, 3, 4, 5
ANY = 255
TARGETS_MAX = 32
"""Hosts whose addresses an answer brings along; who wants those of more asks."""

_FIRST_OF_ANY = (A, AAAA, SRV, SOA, NS, TXT)


class Answered(Struct, frozen=True):
    """`negative` is the SOA of the authority section; `scope` the bits of the client subnet that the answer is for."""

    code: int
    zone: str = ""
    records: Rows = ()
    additional: Rows = ()
    negative: Row | None = None
    scope: int = 0


def answer(steering: Steering, name: str, kind: int, client: Client, now: int) -> Answered:
    """Answer for a lower-case name without its final dot and a query type of class IN, at this Unix millisecond."""
    zone = steering.table.zone_of(name)
    if zone is None:
        return Answered(REFUSED)
    if name in steering.table.steered:
        found = _steered(steering, name, kind, client, now)
        if found is not None:
            return found
    rrsets = steering.rrsets(zone, name, now)
    if rrsets is None:
        return Answered(NXDOMAIN, zone.apex, negative=zone.soa)
    if kind == ANY:
        kind = next((one for one in _FIRST_OF_ANY if one in rrsets), ANY)
    if kind not in rrsets:
        return Answered(NOERROR, zone.apex, negative=zone.soa)
    return Answered(NOERROR, zone.apex, rrsets[kind], _targets(steering, zone, rrsets[kind], now))


def _steered(steering: Steering, name: str, kind: int, client: Client, now: int) -> Answered | None:
    """The picked member's addresses; for ANY those of one family (RFC 8482 section 4.1). None when there are none."""
    ttl = steering.table.steered[name].name.ttl
    zone = steering.table.zone_of(name)
    assert zone is not None
    for one in _families(kind):
        addresses = steering.choose(name, one, client, now).addresses
        if addresses:
            rows = tuple((name, one, ttl, address) for address in addresses)
            return Answered(NOERROR, zone.apex, rows, scope=SCOPE[version_of(client.address)])
    return None


def _families(kind: int) -> Sequence[int]:
    return (A, AAAA) if kind == ANY else (kind,) if kind in FAMILY else ()


def _targets(steering: Steering, zone: Zone, rows: Rows, now: int) -> Rows:
    """The addresses of the hosts in this zone that NS and SRV records name (RFC 1034 section 3.6, RFC 2782), of
    many only the first.
    """
    named = dict.fromkeys(data.rpartition(" ")[2].rstrip(".") for _, kind, _, data in rows if kind in (NS, SRV))
    found = [steering.rrsets(zone, name, now) or {} for name in islice(named, TARGETS_MAX)]
    return tuple(row for rrsets in found for kind in FAMILY for row in rrsets.get(kind, ()))
