"""Answers from zone files: delegations, wildcards (the zone of RFC 4592 section 2.2.1), CNAME and DNAME, to the letter."""

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest
from gslb.library import Responder

ZONE = """$ORIGIN example.
$TTL 3600
@ SOA ns hostmaster 1 7200 1800 86400 60
@ NS ns.example.com.
@ NS ns.example.net.
@ MX 10 host1
* TXT "this is a wildcard"
* MX 10 host1
sub.* TXT "this is not a wildcard"
host1 A 192.0.2.1
_ssh._tcp.host1 SRV 1 2 22 host1
_ssh._tcp.host2 SRV 1 2 22 host2
subdel NS ns.example.com.
subdel NS ns.example.net.
"""
MORE = """$ORIGIN test.
$TTL 300
@ SOA ns hostmaster 1 7200 1800 86400 60
@ NS ns
ns A 192.0.2.53
ns AAAA 2001:db8::53
a.b.ent A 192.0.2.7
alias CNAME www
www A 192.0.2.2
deep CNAME alias
lost CNAME nobody
away CNAME www.elsewhere.net.
there CNAME host1.example.
into CNAME x.kid
*.cname CNAME www
*.loop CNAME again.loop
kid NS ns.kid
kid NS ns.other.net.
kid DS 1 13 2 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
ns.kid A 192.0.2.60
below.kid TXT "occluded"
old DNAME www
far DNAME elsewhere.net.
svc HTTPS 1 . alpn=h2
svc A 192.0.2.8
"""
CHILD = "$ORIGIN zone.test.\n$TTL 300\n@ SOA ns hostmaster 1 2 3 4 60\n@ NS ns\nns A 192.0.2.70\n"
SERVER = Responder({"example": ZONE, "test": MORE, "zone.test": CHILD})


def ask(name: str, kind: str, payload: int = 1232, transport: str = "udp") -> dns.message.Message:
    query = dns.message.make_query(name, kind, use_edns=0, payload=payload)
    data = SERVER.respond(query.to_wire(), "192.0.2.9", transport)  # type: ignore[arg-type]
    assert data is not None
    return dns.message.from_wire(data)


def rows(section: list[dns.rrset.RRset]) -> list[str]:
    return sorted(f"{one.name} {dns.rdatatype.to_text(one.rdtype)} {item}" for one in section for item in one)


WILD = ("this is a wildcard", "this is not a wildcard")
SOA = "example. SOA ns.example. hostmaster.example. 1 7200 1800 86400 60"
SOA_TEST = SOA.replace("example", "test")
WWW = "www.test. A 192.0.2.2"
KID = ["kid.test. NS ns.kid.test.", "kid.test. NS ns.other.net."]
OUT = ["subdel.example. NS ns.example.com.", "subdel.example. NS ns.example.net."]

# (name, type) -> (code, authoritative, answer, authority)
ANSWERS: dict[tuple[str, str], tuple[str, bool, list[str], list[str]]] = {
    # RFC 4592 section 2.2.1, in its order
    ("host3.example", "MX"): ("NOERROR", True, ["host3.example. MX 10 host1.example."], []),
    ("host3.example", "A"): ("NOERROR", True, [], [SOA]),
    ("foo.bar.example", "TXT"): ("NOERROR", True, [f'foo.bar.example. TXT "{WILD[0]}"'], []),
    ("host1.example", "MX"): ("NOERROR", True, [], [SOA]),
    ("sub.*.example", "MX"): ("NOERROR", True, [], [SOA]),
    ("_telnet._tcp.host1.example", "SRV"): ("NXDOMAIN", True, [], [SOA]),
    ("host.subdel.example", "A"): ("NOERROR", False, [], OUT),
    ("ghost.*.example", "MX"): ("NXDOMAIN", True, [], [SOA]),
    # the rest of it
    ("*.example", "TXT"): ("NOERROR", True, [f'*.example. TXT "{WILD[0]}"'], []),
    ("sub.*.example", "TXT"): ("NOERROR", True, [f'sub.*.example. TXT "{WILD[1]}"'], []),
    ("_tcp.host1.example", "SRV"): ("NOERROR", True, [], [SOA]),
    ("host2.example", "TXT"): ("NOERROR", True, [], [SOA]),
    ("x.host2.example", "TXT"): ("NXDOMAIN", True, [], [SOA]),
    ("HOST3.example", "ANY"): ("NOERROR", True, [f'HOST3.example. TXT "{WILD[0]}"'], []),
    # empty non-terminals (RFC 8020), CNAME (RFC 1034, RFC 6604)
    ("ent.test", "A"): ("NOERROR", True, [], [SOA_TEST]),
    ("c.ent.test", "A"): ("NXDOMAIN", True, [], [SOA_TEST]),
    ("alias.test", "A"): ("NOERROR", True, ["alias.test. CNAME www.test.", WWW], []),
    ("deep.test", "A"): ("NOERROR", True, ["alias.test. CNAME www.test.", "deep.test. CNAME alias.test.", WWW], []),
    ("alias.test", "CNAME"): ("NOERROR", True, ["alias.test. CNAME www.test."], []),
    ("alias.test", "ANY"): ("NOERROR", True, ["alias.test. CNAME www.test."], []),
    ("alias.test", "TXT"): ("NOERROR", True, ["alias.test. CNAME www.test."], [SOA_TEST]),
    ("alias.test", "HTTPS"): ("NOERROR", True, ["alias.test. CNAME www.test."], [SOA_TEST]),
    ("x.old.test", "HTTPS"): ("NXDOMAIN", True, ["old.test. DNAME www.test.", "x.old.test. CNAME x.www.test."], [SOA_TEST]),
    # a label that is a backslash is not a dot's escape
    ("\\\\.test", "A"): ("NXDOMAIN", True, [], [SOA_TEST]),
    ("\\\\.example", "TXT"): ("NOERROR", True, [f'\\\\.example. TXT "{WILD[0]}"'], []),
    ("lost.test", "A"): ("NXDOMAIN", True, ["lost.test. CNAME nobody.test."], [SOA_TEST]),
    ("away.test", "A"): ("NOERROR", True, ["away.test. CNAME www.elsewhere.net."], []),
    ("there.test", "A"): ("NOERROR", True, ["host1.example. A 192.0.2.1", "there.test. CNAME host1.example."], []),
    ("into.test", "A"): ("NOERROR", True, ["into.test. CNAME x.kid.test."], KID),
    ("any.cname.test", "A"): ("NOERROR", True, ["any.cname.test. CNAME www.test.", WWW], []),
    ("one.loop.test", "A"): ("NOERROR", True, ["again.loop.test. CNAME again.loop.test.", "one.loop.test. CNAME again.loop.test."], []),
    # delegations (RFC 1034, RFC 9471, RFC 4035)
    ("kid.test", "A"): ("NOERROR", False, [], KID),
    ("kid.test", "NS"): ("NOERROR", False, [], KID),
    ("below.kid.test", "TXT"): ("NOERROR", False, [], KID),
    ("ns.kid.test", "A"): ("NOERROR", False, [], KID),
    ("kid.test", "DS"): ("NOERROR", True, ["kid.test. DS 1 13 2 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"], []),
    ("x.kid.test", "DS"): ("NOERROR", False, [], KID),
    ("zone.test", "DS"): ("NXDOMAIN", True, [], [SOA_TEST]),
    ("test", "DS"): ("NOERROR", True, [], [SOA_TEST]),
    # DNAME (RFC 6672)
    ("old.test", "DNAME"): ("NOERROR", True, ["old.test. DNAME www.test."], []),
    ("old.test", "A"): ("NOERROR", True, [], [SOA_TEST]),
    ("x.old.test", "A"): ("NXDOMAIN", True, ["old.test. DNAME www.test.", "x.old.test. CNAME x.www.test."], [SOA_TEST]),
    ("x.y.far.test", "A"): ("NOERROR", True, ["far.test. DNAME elsewhere.net.", "x.y.far.test. CNAME x.y.elsewhere.net."], []),
    ("x.old.test", "CNAME"): ("NOERROR", True, ["old.test. DNAME www.test.", "x.old.test. CNAME x.www.test."], []),
    ("elsewhere.net", "A"): ("REFUSED", False, [], []),
}  # fmt: skip


@pytest.mark.parametrize("asked", ANSWERS, ids=" ".join)
def test_to_the_letter(asked: tuple[str, str]) -> None:
    code, authoritative, answer, authority = ANSWERS[asked]
    found = ask(*asked)
    assert dns.rcode.to_text(found.rcode()) == code
    assert bool(found.flags & dns.flags.AA) == authoritative
    assert rows(found.answer) == sorted(answer)
    assert rows(found.authority) == sorted(authority)
    assert str(found.question[0].name) == f"{asked[0]}."


def test_a_name_that_a_dname_makes_too_long_cannot_be() -> None:
    long = ".".join(["a" * 60] * 4)
    found = ask(f"{long}.far.test", "A")
    assert found.rcode() == dns.rcode.YXDOMAIN
    assert rows(found.answer) == ["far.test. DNAME elsewhere.net."]


def test_a_referral_brings_the_addresses_without_which_nobody_gets_there_or_says_that_it_is_cut() -> None:
    assert rows(ask("x.kid.test", "A").additional) == ["ns.kid.test. A 192.0.2.60"]
    names = "".join(f"big NS n{n:03}.big\nn{n:03}.big A 192.0.2.{n}\n" for n in range(30))
    server = Responder({"test": MORE + names})
    for transport, cut in (("udp", True), ("tcp", False)):
        query = dns.message.make_query("x.big.test", "A", use_edns=0, payload=512)
        found = dns.message.from_wire(server.respond(query.to_wire(), "192.0.2.9", transport) or b"")  # type: ignore[arg-type]
        assert bool(found.flags & dns.flags.TC) == cut
        assert len(rows(found.additional)) == len(rows(found.authority)) == (0 if cut else 30)


def test_hosts_that_records_name_come_along_and_are_left_out_first() -> None:
    assert rows(ask("host3.example", "MX").additional) == ["host1.example. A 192.0.2.1"]
    assert rows(ask("_ssh._tcp.host1.example", "SRV").additional) == ["host1.example. A 192.0.2.1"]
    assert rows(ask("test", "NS").additional) == ["ns.test. A 192.0.2.53", "ns.test. AAAA 2001:db8::53"]
    assert rows(ask("svc.test", "HTTPS").additional) == ["svc.test. A 192.0.2.8"]
