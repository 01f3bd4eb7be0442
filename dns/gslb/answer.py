"""The answer to one question from one table (RFC 1034 section 4.3.2, RFC 2308). Pure."""

from msgspec import Struct

from gslb.table import TTL_SECONDS, ZONE, Table

NOERROR, FORMERR, NXDOMAIN, NOTIMP, REFUSED = 0, 1, 3, 4, 5
A, SOA, TXT, AAAA, SRV, ANY, NS = 1, 6, 16, 28, 33, 255, 2
VERSION_NAME = f"dns-version.{ZONE}"
VERSION_TTL = 28_800
SRV_TTL = 30


class Answered(Struct, frozen=True):
    """Records as (name, type, ttl, text of the data); `negative` asks for the SOA in the authority section."""

    code: int
    records: tuple[tuple[str, int, int, str], ...] = ()
    negative: bool = False


def answer(table: Table, name: str, kind: int) -> Answered:
    """Answer for a lower-case name without its final dot and a query type of class IN."""
    if name != ZONE and not name.endswith("." + ZONE):
        return Answered(REFUSED)
    if name == VERSION_NAME:
        return Answered(NOERROR, ((name, TXT, VERSION_TTL, '"1.0.0"'),)) if kind in (TXT, ANY) else _nothing()
    if name == ZONE and kind in (SOA, ANY):
        return Answered(NOERROR, (soa(table),))
    if name == ZONE and kind == NS:
        return Answered(NOERROR, ((ZONE, NS, TTL_SECONDS, f"ns.dns.{ZONE}."),))
    if not table.exists(name):
        return Answered(NXDOMAIN, negative=True)
    record = table.names.get(name)
    if record is None:
        return _nothing()
    found = {
        A: [(name, A, TTL_SECONDS, address) for address in record.a],
        AAAA: [(name, AAAA, TTL_SECONDS, address) for address in record.aaaa],
        SRV: [(name, SRV, SRV_TTL, f"0 10 {port} {host}.") for port, host in record.srv],
    }
    if kind == ANY:
        return _first(found)
    rows = tuple(found.get(kind, ()))
    return Answered(NOERROR, rows) if rows else _nothing()


def soa(table: Table) -> tuple[str, int, int, str]:
    """The zone's SOA; negative answers live as long as its minimum (RFC 2308 section 5)."""
    data = f"ns.dns.{ZONE}. hostmaster.{ZONE}. {table.serial} 7200 1800 86400 {TTL_SECONDS}"
    return (ZONE, SOA, TTL_SECONDS, data)


def _first(found: dict[int, list[tuple[str, int, int, str]]]) -> Answered:
    """Minimal ANY: one RRset (RFC 8482 section 4.1)."""
    return next((Answered(NOERROR, tuple(rows)) for rows in found.values() if rows), _nothing())


def _nothing() -> Answered:
    return Answered(NOERROR, negative=True)
