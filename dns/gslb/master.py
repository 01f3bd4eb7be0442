"""Zone files: text in the master format (RFC 1035 section 5, RFC 2308 $TTL, RFC 3597) -> a zone, or why it is none.

dnspython reads the records, ALIAS among them. What they must be together is said here, each fault with its line.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import dns.exception
import dns.immutable
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdtypes.nsbase
import dns.tokenizer
import dns.zonefile
from msgspec import Struct, structs

from federation.model.errors import InputError
from gslb.lookup import host_of
from gslb.zone import AAAA, ALIAS, CNAME, DNAME, NS, SOA, A, Row, RRsets, Zone, lies_in, make_zone, parents

SHOWN = 20
"""Faults of one file that are told."""

WHY_MAX = 200

BESIDE_CNAME = frozenset((CNAME, 46, 47))
"""What may stand at a name with a CNAME: RRSIG and NSEC (RFC 4034) as well."""

UNNAMED = "give the zone's name: $ORIGIN, or APEX=FILE"


@dns.immutable.immutable
class Alias(dns.rdtypes.nsbase.NSBase):
    """The data of an ALIAS record: the target's name."""


dns.rdata.register_type(Alias, ALIAS, "ALIAS", is_singleton=True)


class Line(Struct, frozen=True):
    """A record, and the file and line where it begins."""

    row: Row
    at: str

    @property
    def name(self) -> str:
        """Its owner."""
        return self.row[0]

    @property
    def kind(self) -> int:
        """Its type."""
        return self.row[1]


def load_zone(text: str, where: str, apex: str = "") -> Zone:
    """The zone in this text from the file `where`; `apex` is its name ("": that of its SOA). InputError (E125) names
    the lines, and what is wrong with them.
    """
    lines = _Reading(where, apex).read(text)
    apex = apex or next((one.name for one in lines if one.kind == SOA), "")
    if not apex:
        raise InputError(f"{where}: {UNNAMED}" if lines else f"{where}: holds no record", "E125")
    faults = list(_faults(lines, apex, where))
    if faults:
        more = [f"and {len(faults) - SHOWN} more"] if len(faults) > SHOWN else []
        raise InputError("; ".join((*faults[:SHOWN], *more)), "E125")
    names = {name: _rrsets(held) for name, held in _by_name(lines).items()}
    return _led(make_zone(apex, names[apex][SOA][0], names))


class _Words(dns.tokenizer.Tokenizer):
    """The words of a file; `begun` is the line where the record begins that is being read."""

    begun = 1

    def get(self, want_leading: bool = False, want_comment: bool = False) -> dns.tokenizer.Token:
        """The next one. Only before a record the reader takes white space and comments."""
        if want_leading and want_comment:
            self.begun = self.line_number
        return super().get(want_leading, want_comment)


class _Reading:
    """What dnspython's reader takes for a transaction: it keeps each record with its line."""

    def __init__(self, where: str, apex: str) -> None:
        self.manager = self
        self._where = where
        self._apex = apex
        self._lines: list[Line] = []
        self._words = _Words("")

    def read(self, text: str) -> list[Line]:
        """The records of this text. InputError."""
        self._words = _Words(text, filename=self._where)
        reader = dns.zonefile.Reader(self._words, dns.rdataclass.IN, self)  # type: ignore[arg-type]
        if self._apex:
            reader.current_origin = reader.last_name = dns.name.from_text(self._apex)
        try:
            reader.read()
        except (dns.exception.DNSException, ValueError) as error:
            why = str(error).removeprefix(f"{self._where}:{self._words.where()[1]}: ").rstrip(".")
            raise InputError(f"{self._at}: {why[:WHY_MAX]}", "E125") from None
        return self._lines

    @property
    def _at(self) -> str:
        return f"{self._where}:{self._words.begun}"

    def origin_information(self) -> tuple[dns.name.Name, bool, dns.name.Name]:
        """Names stay whole, and none is left out unsaid."""
        return dns.name.root, False, dns.name.root

    def check_put_rdataset(self, check: object) -> None:
        """What stands beside what is looked at when all is read."""

    def _set_origin(self, origin: dns.name.Name | None) -> None:
        """$ORIGIN is the reader's."""

    def add(self, name: dns.name.Name, ttl: int, rdata: Any) -> None:
        """One more record."""
        row = (text_of(name), int(rdata.rdtype), ttl, rdata.to_text())
        self._lines.append(Line(row, self._at))


def text_of(name: dns.name.Name) -> str:
    """A name as tables have it: in lower case, without the final dot, with dots only between labels."""
    return name.to_text(omit_final_dot=True).lower().replace("\\.", "\\046") if name != dns.name.root else ""


def _by_name(lines: Iterable[Line]) -> dict[str, list[Line]]:
    found: dict[str, list[Line]] = {}
    for one in lines:
        found.setdefault(one.name, []).append(one)
    return found


def _rrsets(lines: Iterable[Line]) -> RRsets:
    """By type, each record once, with one TTL: the least (RFC 2181 section 5.2)."""
    found: dict[int, dict[str, int]] = {}
    for one in lines:
        _, kind, ttl, text = one.row
        held = found.setdefault(kind, {})
        held[text] = min(ttl, held.get(text, ttl))
    name = next(iter(lines)).name
    return {
        kind: tuple((name, kind, min(held.values()), text) for text in held) for kind, held in sorted(found.items())
    }


def _faults(lines: list[Line], apex: str, where: str) -> Iterator[str]:
    names = _by_name(lines)
    at_apex = {one.kind for one in names.get(apex, ())}
    for kind, word in ((SOA, "SOA"), (NS, "NS")):
        if kind not in at_apex:
            yield f"{where}: zone {apex} has no {word} record at its apex"
    for one in lines:
        if not lies_in(one.name, apex):
            yield f"{one.at}: {one.name or '.'} is outside zone {apex}"
        elif one.kind == SOA and one.name != apex:
            yield f"{one.at}: {one.name} has an SOA record, and is not the apex {apex}"
    for name, held in names.items():
        yield from _at_name(name, held)
        yield from _below_dname(name, held, names, apex)
    yield from _loops(names)


def _at_name(name: str, held: list[Line]) -> Iterator[str]:
    """What cannot stand twice, or not beside something else."""
    for kind, word in ((SOA, "SOA"), (CNAME, "CNAME"), (DNAME, "DNAME"), (ALIAS, "ALIAS")):
        found = {one.row[3]: one for one in held if one.kind == kind}
        if len(found) > 1:
            yield f"{list(found.values())[1].at}: {name} has a second {word} record"
    if any(one.kind == ALIAS for one in held):
        other = next((one for one in held if one.kind in (A, AAAA)), None)
        if other is not None:
            yield f"{other.at}: {name} has an ALIAS record and addresses of its own"
    if any(one.kind == CNAME for one in held):
        other = next((one for one in held if one.kind not in BESIDE_CNAME), None)
        if other is not None:
            yield f"{other.at}: {name} has a CNAME record and other data (RFC 1034 section 3.6.2)"


def _below_dname(name: str, held: list[Line], names: Mapping[str, list[Line]], apex: str) -> Iterator[str]:
    above = next((one for one in parents(name, apex) if any(x.kind == DNAME for x in names.get(one, ()))), None)
    if above is not None:
        yield f"{held[0].at}: {name} stands below {above}, which has a DNAME record (RFC 6672 section 2.4)"


def _loops(names: Mapping[str, list[Line]]) -> Iterator[str]:
    towards = {name: (held[0], host_of(held[0].row[3])) for name, held in names.items() if held[0].kind == CNAME}
    told: set[str] = set()
    for first in towards:
        way = [first]
        while way[-1] in towards and towards[way[-1]][1] not in way:
            way.append(towards[way[-1]][1])
        if way[-1] in towards and towards[way[-1]][1] == first and not told.intersection(way):
            told.update(way)
            yield f"{towards[first][0].at}: CNAME loop: {' -> '.join((*way, first))}"


def _led(zone: Zone) -> Zone:
    """With what leads out of it. Negative answers are kept no longer than the SOA says (RFC 2308 section 3)."""
    owner, kind, ttl, text = zone.soa
    return structs.replace(
        zone,
        soa=(owner, kind, min(ttl, int(text.split()[-1])), text),
        cuts=frozenset(name for name, found in zone.names.items() if NS in found and name != zone.apex),
        dnames=frozenset(name for name, found in zone.names.items() if DNAME in found),
    )
