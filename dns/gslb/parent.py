"""Asks the servers of a zone and of its parent what they say of it, as a resolver would."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdatatype
import dns.resolver

from federation.model.errors import Unavailable
from federation.telemetry import join_address
from gslb.delegation import Asked, Delegation, at_parent, at_server
from gslb.master import text_of

SECONDS = 3.0
Address = tuple[str, int]
Ask = Callable[..., dns.message.Message]


def check(ours: Delegation, parents: Iterable[Address], port: int = 53) -> list[str]:
    """What is wrong with the delegation at these servers of the parent (none: those that the system's resolver finds),
    and at each server of the zone over UDP and TCP, one line each. Unavailable when no parent is found.
    """
    found: list[str] = []
    for address in parents or _parents(ours.zone):
        found += at_parent(ours, _asked(f"parent {_shown(address)}", ours.zone, address, dns.query.udp, referral=True))
    for name in sorted(ours.servers):
        addresses = sorted(ours.glue.get(name) or _resolved(name))
        found += [line for one in addresses for line in _at_own(ours, name, (one, port))]
        found += [] if addresses else [f"{name}: no address of it is found"]
    return found


def _at_own(ours: Delegation, name: str, address: Address) -> Iterator[str]:
    for ask, word in ((dns.query.udp, "UDP"), (dns.query.tcp, "TCP")):
        yield from at_server(ours, _asked(f"{name} {_shown(address)} over {word}", ours.zone, address, ask))


def _asked(about: str, zone: str, address: Address, ask: Ask, referral: bool = False) -> Asked:
    query = dns.message.make_query(zone, "NS", use_edns=0)
    query.flags &= ~dns.flags.RD
    try:
        said = ask(query, address[0], port=address[1], timeout=SECONDS)
    except (OSError, dns.exception.DNSException) as error:
        why = "no answer" if isinstance(error, dns.exception.Timeout) else str(error) or type(error).__name__
        return Asked(about, fault=why)
    if said.rcode() != dns.rcode.NOERROR:
        return Asked(about, fault=f"answers {dns.rcode.to_text(said.rcode())}")
    if not referral and not said.flags & dns.flags.AA:
        return Asked(about, fault="is not authoritative for the zone")
    return Asked(about, *_read(said, zone))


def _read(said: dns.message.Message, zone: str) -> tuple[frozenset[str], dict[str, frozenset[str]]]:
    """The servers that a referral or an answer names, and the addresses beside them."""
    servers: set[str] = set()
    glue: dict[str, frozenset[str]] = {}
    for rrset in (*said.answer, *said.authority, *said.additional):
        owner = text_of(rrset.name)
        if rrset.rdtype == dns.rdatatype.NS and owner == zone:
            servers |= {text_of(item.target) for item in rrset}
        elif rrset.rdtype in (dns.rdatatype.A, dns.rdatatype.AAAA):
            glue[owner] = glue.get(owner, frozenset()) | {item.address for item in rrset}
    return frozenset(servers), glue


def _parents(zone: str) -> list[Address]:
    above = dns.name.from_text(zone).parent()
    try:
        apex = dns.resolver.zone_for_name(above)
        names = [text_of(item.target) for item in dns.resolver.resolve(apex, "NS")]
    except (dns.exception.DNSException, OSError) as error:
        raise Unavailable(
            f"zone {zone}: its parent is not found ({error}); name its server with --parent ADDRESS:PORT"
        ) from None
    return [(address, 53) for name in names for address in _resolved(name)]


def _resolved(name: str) -> list[str]:
    found = []
    for kind in ("A", "AAAA"):
        try:
            found += [item.address for item in dns.resolver.resolve(name, kind)]
        except (dns.exception.DNSException, OSError):
            continue
    return found


def _shown(address: Address) -> str:
    host, port = address
    return host if port == 53 else join_address(host, port)
