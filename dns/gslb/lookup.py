"""One step of a question in one zone: RFC 1034 section 4.3.2, wildcards by RFC 4592, DNAME by RFC 6672. Pure."""

from collections.abc import Callable, Iterator

from msgspec import Struct

from gslb.zone import AAAA, ALIAS, CNAME, DNAME, DS, NS, SOA, SRV, TXT, A, Row, Rows, RRsets, Zone, parents

NAME_MAX = 253
"""Characters of a name as text without its final dot (RFC 1035 section 2.3.4)."""

Data = Callable[[str], RRsets | None]
"""The data of a name in the zone by type: {} of one that only stands above others, None where there is no such name."""


ANY = 255
FIRST_OF_ANY = (A, AAAA, CNAME, SRV, SOA, NS, TXT)
"""Of ANY one type is told: the first of these that is there, else any (RFC 8482 section 4.1)."""


class Step(Struct, frozen=True):
    """What the zone says of a name: its `records` of the type; or what leads on: a CNAME, or a DNAME and the CNAME made
    of it, to `target` ("": nowhere). `alias` is an ALIAS whose target has the addresses. `cut` is a delegation above or
    at the name. `exists` is False for NXDOMAIN, `too_long` when a DNAME makes a name that cannot be.
    """

    records: Rows = ()
    alias: Row | None = None
    target: str = ""
    cut: str = ""
    exists: bool = True
    too_long: bool = False


NOTHING, ABSENT = Step(), Step(exists=False)


def look_up(zone: Zone, data: Data, name: str, kind: int) -> Step:
    """Look for this type at a lower-case name in the zone."""
    above = parents(name, zone.apex)[::-1]
    for one in above:
        if one in zone.dnames and one != name:
            return _synthesised(data, one, name, kind)
        if one in zone.cuts:
            return Step(cut=one)
    if name in zone.cuts and kind != DS:
        return Step(cut=name)
    found = data(name)
    if found is None:
        found = _wild(zone, data, name, above)
    return ABSENT if found is None else _at(found, name, kind)


def _at(found: RRsets, name: str, kind: int) -> Step:
    if ALIAS in found:
        if kind in (A, AAAA):
            return Step(alias=_owned(found[ALIAS], name)[0])
        found = {one: rows for one, rows in found.items() if one != ALIAS}
    if kind == ANY and found:
        kind = next((one for one in FIRST_OF_ANY if one in found), next(iter(found)))
    if kind in found:
        return Step(_owned(found[kind], name))
    if CNAME in found:
        rows = _owned(found[CNAME], name)
        return Step(rows, target=host_of(rows[0][3]))
    return NOTHING


def _wild(zone: Zone, data: Data, name: str, above: list[str]) -> RRsets | None:
    """The data of the wildcard below the closest name that exists, which every name between blocks."""
    for one in reversed(above):
        if zone.exists(one):
            return data(f"*.{one}") if zone.exists(f"*.{one}") else None
    return None


def _owned(rows: Rows, name: str) -> Rows:
    return rows if rows[0][0] == name else tuple((name, kind, ttl, text) for _, kind, ttl, text in rows)


def _synthesised(data: Data, owner: str, name: str, kind: int) -> Step:
    """Who asks for a CNAME has it with that."""
    rows = (data(owner) or {})[DNAME]
    (_, _, ttl, text) = rows[0]
    made = ".".join(filter(None, (name.removesuffix(f".{owner}"), host_of(text))))
    if len(made) > NAME_MAX:
        return Step(rows, too_long=True)
    return Step((*rows, (name, CNAME, ttl, f"{made}.")), target="" if kind in (CNAME, ANY) else made)


def host_of(text: str) -> str:
    """A name in record data as names are held here."""
    return text.rstrip(".").lower()


def targets_of(rows: Rows) -> Iterator[str]:
    """The hosts whose addresses these want beside them (RFC 1035 section 3.3, RFC 2782, RFC 9460 section 4.1)."""
    for owner, kind, _, text in rows:
        place = TARGETS.get(kind)
        if place is not None:
            yield host_of(text.split()[place]) or owner


TARGETS = {NS: 0, 15: 1, 33: 3, 64: 1, 65: 1}
"""Where the host stands in the data of NS, MX, SRV, SVCB and HTTPS."""
