"""Responses as bytes (RFC 1035, EDNS by RFC 6891); dnspython writes them."""

import contextlib
from collections.abc import Iterable
from functools import lru_cache
from itertools import groupby
from operator import itemgetter

import dns.edns
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdataset
import dns.rdatatype
import dns.rrset
from msgspec import Struct

from gslb.answer import answer
from gslb.answered import FORMERR, NOERROR, NOTIMP, REFUSED, SERVFAIL, Answered
from gslb.client import Client, behind
from gslb.cookies import CLIENT
from gslb.ecs import Subnet, echo, parse_subnet
from gslb.lookup import ANY
from gslb.options import CHAOS, Itself, Version, chaos, check_options, options_of
from gslb.query import HEADER, OPTION_COOKIE, OPTION_SUBNET, MalformedError, Query, parse_query
from gslb.steer import Standpoint, Steering
from gslb.zone import TXT, Rows, serial_of

UDP_MAX = 1232
UDP_PLAIN = 512
TCP_LIMIT = 65_535
RECORD_MIN = 12
"""Bytes of the smallest record: what has more of them than fit need not be written to be known as too large."""

BADVERS = 16
NOBODY = Itself()
TRANSFERS = (251, 252)
"""IXFR and AXFR (RFC 1995, RFC 5936): nobody gets one."""

PROHIBITED = dns.edns.EDEOption(dns.edns.EDECode.PROHIBITED)
NOT_READY = dns.edns.EDEOption(dns.edns.EDECode.NOT_READY, "no handout yet")
NOT_AUTHORITATIVE = dns.edns.EDEOption(dns.edns.EDECode.NOT_AUTHORITATIVE)


class Reply(Struct, frozen=True):
    """A response: its bytes, its code, the zone that answered ("" for none), and the bits of the client's address that
    it is for (0: for anybody). `keep` is the Unix millisecond until which it may be told again (0: as long as table and
    evidence stand, -1: never); `stand` is where the client of a steered name stands. `known`: by a cookie that we made
    for it, its address is no other's.
    """

    data: bytes
    code: int
    zone: str = ""
    scope: int = 0
    keep: int = -1
    stand: Standpoint | None = None
    known: bool = False


def respond(
    steering: Steering | None, data: bytes, client: Client, tcp: bool, now: int, itself: Itself = NOBODY
) -> Reply | None:
    """The response to these bytes from this client, at this Unix millisecond; None when silence is right (shorter than
    a header, or itself a response). Without a handout every question is met with SERVFAIL: unknown is never empty.
    """
    if len(data) < HEADER or data[2] & 0x80:
        return None
    if (data[2] >> 3) & 0xF != dns.opcode.QUERY:
        return _bare(data, NOTIMP)
    try:
        query = parse_query(data)
    except MalformedError:
        return _bare(data, FORMERR)
    response, found = _answered(steering, query, client, tcp, now, itself)
    data = _fit(response, _limit(query, tcp), bool(found.referral))
    keep = found.until if found.exact else -1
    return Reply(data, found.code, found.zone, found.scope, keep, found.stand, is_known(query, response.options))


def _answered(
    steering: Steering | None, query: Query, client: Client, tcp: bool, now: int, itself: Itself
) -> tuple[dns.message.Message, Answered]:
    response, address = _start(query), client.address
    try:
        subnet = _subnet(query)
        check_options(query, tcp)
    except MalformedError:
        return response, _fill(response, query, Answered(FORMERR), [])
    if query.edns is not None and query.edns.version > 0:
        return response, _fill(response, query, Answered(BADVERS), [])
    if subnet is not None and subnet.source:
        client = behind(subnet.address, address)
    found = _found(steering, response, query, client, now, itself)
    asked = options_of(query, itself, _version(steering, found), address, tcp, now // 1_000)
    options: list[dns.edns.Option] = [_option(code, data) for code, data in asked]
    if subnet is not None:
        scope = found.scope if subnet.source else 0
        options.append(dns.edns.GenericOption(dns.edns.OptionType.ECS, echo(subnet, scope)))
    if found.code in (SERVFAIL, REFUSED):
        options.append(_why(query, found))
    return response, _fill(response, query, found, options)


def _why(query: Query, found: Answered) -> dns.edns.Option:
    """The extended error (RFC 8914) of what is not answered."""
    if query.kind in TRANSFERS:
        return PROHIBITED
    return NOT_READY if found.code == SERVFAIL else NOT_AUTHORITATIVE


def is_known(query: Query, told: Iterable[dns.edns.Option]) -> bool:
    """True when the cookie that came is the one that goes back (RFC 7873 section 5.2.3)."""
    given = query.option(OPTION_COOKIE)
    return bool(given) and any(
        one.otype == OPTION_COOKIE and len(given[0]) > CLIENT and one.to_wire() == given[0] for one in told
    )


def _option(code: int, data: bytes) -> dns.edns.Option:
    return dns.edns.GenericOption(dns.edns.OptionType.make(code), data)


def _version(steering: Steering | None, found: Answered) -> Version | None:
    if steering is None or found.zone not in steering.table.zones:
        return None
    return Version(found.zone, serial_of(steering.table.zones[found.zone]))


def _subnet(query: Query) -> Subnet | None:
    given = query.option(OPTION_SUBNET)
    if len(given) > 1:
        raise MalformedError("two client subnets")
    return parse_subnet(given[0]) if given else None


def _found(
    steering: Steering | None, response: dns.message.Message, query: Query, client: Client, now: int, itself: Itself
) -> Answered:
    if not query.labels:
        return Answered(NOERROR)
    name = response.question[0].name.to_text(omit_final_dot=True).lower().replace("\\.", "\\046")
    if query.rdclass == CHAOS and query.kind in (TXT, ANY):
        text = chaos(itself, name)
        return Answered(REFUSED) if text is None else Answered(NOERROR, records=((name, TXT, 0, quoted(text)),))
    if query.kind in TRANSFERS:
        return Answered(REFUSED)
    if steering is None:
        return Answered(SERVFAIL)
    if query.rdclass != dns.rdataclass.IN:
        return Answered(REFUSED)
    return answer(steering, name, query.kind, client, now)


def _start(query: Query) -> dns.message.Message:
    """A response with the question as it came, case and all (RFC 4343)."""
    response = dns.message.QueryMessage(query.ident)
    response.flags = dns.flags.QR | dns.flags.Flag(query.flags & (dns.flags.RD | dns.flags.CD))
    if not query.labels:
        return response
    name = dns.name.Name(query.labels)
    kind, rdclass = dns.rdatatype.RdataType.make(query.kind), dns.rdataclass.RdataClass.make(query.rdclass)
    response.question.append(dns.rrset.RRset(name, rdclass, kind))
    return response


def _fill(response: dns.message.Message, query: Query, found: Answered, options: list[dns.edns.Option]) -> Answered:
    if query.edns is not None:
        flags = int(dns.flags.DO) if query.edns.do else 0
        response.use_edns(0, flags, UDP_MAX, options=options)
    response.set_rcode(dns.rcode.Rcode(found.code))
    if found.authoritative:
        response.flags |= dns.flags.AA
    _add(response, response.answer, found.records)
    _add(response, response.additional, found.additional)
    _add(response, response.authority, found.referral if found.negative is None else (found.negative,))
    return found


def _add(response: dns.message.Message, section: list[dns.rrset.RRset], rows: Rows) -> None:
    """One RRset for each run of rows of the same owner and type; the name that was asked for keeps its case."""
    if not rows:
        return
    asked, rdclass = response.question[0].name, response.question[0].rdclass
    for (name, kind), run in groupby(rows, key=itemgetter(0, 1)):
        text = _name(name)
        rdataset = _rdataset(kind, tuple((ttl, data) for _, _, ttl, data in run))
        rrset = dns.rrset.RRset(asked if text == asked else text, rdclass, rdataset.rdtype)
        rrset.items, rrset.ttl = rdataset.items, rdataset.ttl
        section.append(rrset)


@lru_cache(4096)
def _name(text: str) -> dns.name.Name:
    return dns.name.from_text(text)


@lru_cache(256)
def _rdataset(kind: int, data: tuple[tuple[int, str], ...]) -> dns.rdataset.Rdataset:
    made = dns.rdataset.Rdataset(dns.rdataclass.IN, dns.rdatatype.RdataType(kind))
    for ttl, text in data:
        made.add(dns.rdata.from_text(dns.rdataclass.IN, made.rdtype, text), ttl)
    return made


def _limit(query: Query, tcp: bool) -> int:
    if tcp:
        return TCP_LIMIT
    return UDP_PLAIN if query.edns is None else max(UDP_PLAIN, min(query.edns.payload, UDP_MAX))


def _fit(response: dns.message.Message, limit: int, glue: bool = False) -> bytes:
    """The whole response; else without its additional section, where that is no glue (RFC 9471); else empty with TC, so
    that the client comes by TCP.
    """
    if RECORD_MIN * sum(map(len, response.answer)) < limit:
        with contextlib.suppress(dns.exception.TooBig):
            return response.to_wire(max_size=limit)
    if response.additional and not glue:
        response.additional.clear()
        return _fit(response, limit)
    for section in (response.answer, response.authority, response.additional):
        section.clear()
    response.flags |= dns.flags.TC
    return response.to_wire()


def _bare(data: bytes, code: int) -> Reply:
    """A header-only response: id, opcode and RD copied, QR set (RFC 8906 section 3)."""
    return Reply(data[:2] + bytes([0x80 | (data[2] & 0x79), code]) + bytes(8), code)


def quoted(text: str) -> str:
    """A character string of record data (RFC 1035 section 5.1)."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
