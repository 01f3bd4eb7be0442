"""DNS messages (RFC 1035, EDNS by RFC 6891) as bytes; dnspython is the codec."""

import contextlib

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset

from gslb.answer import FORMERR, NOTIMP, REFUSED, Answered, answer, soa
from gslb.table import Table

UDP_MAX = 1232
UDP_PLAIN = 512
BADVERS = 16


def respond(table: Table, query: bytes, tcp: bool) -> bytes | None:
    """The response to these bytes, or None when silence is right (shorter than a header, or itself a response)."""
    if len(query) < 12 or query[2] & 0x80:
        return None
    if (query[2] >> 3) & 0xF != dns.opcode.QUERY:
        return _bare(query, NOTIMP)
    try:
        message = dns.message.from_wire(query, ignore_trailing=True)
    except (dns.exception.DNSException, ValueError):
        return _bare(query, FORMERR)
    if len(message.question) != 1:
        return _bare(query, FORMERR)
    response = dns.message.make_response(message, our_payload=UDP_MAX)
    if message.edns > 0:
        response.set_rcode(dns.rcode.Rcode(BADVERS))
        return response.to_wire()
    question = message.question[0]
    if question.rdclass != dns.rdataclass.IN:
        response.set_rcode(dns.rcode.Rcode(REFUSED))
        return response.to_wire()
    name = question.name.to_text(omit_final_dot=True).lower()
    _fill(response, table, answer(table, name, int(question.rdtype)))
    limit = 65535 if tcp else max(UDP_PLAIN, min(message.payload, UDP_MAX)) if message.edns == 0 else UDP_PLAIN
    return _fit(response, limit)


def _fill(response: dns.message.Message, table: Table, found: Answered) -> None:
    response.set_rcode(dns.rcode.Rcode(found.code))
    if found.code == REFUSED:
        return
    response.flags |= dns.flags.AA
    for name, kind, ttl, data in found.records:
        owner = response.question[0].name if name == _text(response) else dns.name.from_text(name)
        rdata = dns.rdata.from_text(dns.rdataclass.IN, dns.rdatatype.RdataType(kind), data)
        rrset = response.find_rrset(response.answer, owner, dns.rdataclass.IN, rdata.rdtype, create=True)
        rrset.add(rdata, ttl)
    if found.negative:
        name, kind, ttl, data = soa(table)
        response.authority.append(dns.rrset.from_text(name + ".", ttl, "IN", dns.rdatatype.RdataType(kind), data))


def _text(response: dns.message.Message) -> str:
    return response.question[0].name.to_text(omit_final_dot=True).lower()


def _fit(response: dns.message.Message, limit: int) -> bytes:
    with contextlib.suppress(dns.exception.TooBig):
        return response.to_wire(max_size=limit)
    response.answer.clear()
    response.authority.clear()
    response.additional.clear()
    response.flags |= dns.flags.TC
    return response.to_wire()


def _bare(query: bytes, code: int) -> bytes:
    """A header-only response: id, opcode and RD copied, QR set (RFC 8906 section 3)."""
    return query[:2] + bytes([0x80 | (query[2] & 0x79), code]) + bytes(8)
