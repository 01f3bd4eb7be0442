"""Every test of RFC 8906 section 8, against a real server over both transports; and what strangers may not ask for."""

from collections.abc import Iterator
from pathlib import Path

import dns.edns
import dns.flags
import dns.message
import dns.opcode
import dns.query
import dns.rcode
import dns.rdatatype
import dns.update
import pytest

from tests.worlds.dns_server import running

ZONE = """$ORIGIN example.com.
$TTL 300
@ SOA ns1 hostmaster 7 7200 1800 86400 60
  NS ns1
ns1 A 192.0.2.1
big TXT "%s"
""" % ("x" * 250)
NSID, COOKIE, ECS, EXPIRE = 3, 10, 8, 9


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    folder: Path = tmp_path_factory.mktemp("dns")
    (folder / "z").write_text(ZONE)
    with running(folder, "--zone-file", str(folder / "z"), "--nsid", "one", alone=True) as ports:
        yield ports[0]


@pytest.fixture(params=["udp", "tcp"])
def transport(request: pytest.FixtureRequest) -> str:
    return str(request.param)


class Asked:
    """A query as a test of the RFC makes it, and what came."""

    def __init__(self, server: int, transport: str) -> None:
        self._ask = dns.query.udp if transport == "udp" else dns.query.tcp
        self._port = server

    def __call__(self, query: dns.message.Message) -> dns.message.Message:
        return self._ask(query, "127.0.0.1", port=self._port, timeout=10)


@pytest.fixture
def ask(server: int, transport: str) -> Asked:
    return Asked(server, transport)


def query(kind: str = "SOA", flags: int = 0, **edns: object) -> dns.message.QueryMessage:
    made = dns.message.make_query("example.com", kind, **edns)  # type: ignore[arg-type]
    made.flags = dns.flags.Flag(flags)
    return made


def soa(response: dns.message.Message) -> bool:
    return any(rrset.rdtype == dns.rdatatype.SOA for rrset in response.answer)


def generic(*codes: int) -> list[dns.edns.GenericOption]:
    data = {ECS: bytes((0, 1, 0, 0)), COOKIE: bytes(range(8))}
    return [dns.edns.GenericOption(dns.edns.OptionType.make(code), data.get(code, b"")) for code in codes]


def test_8_1_1_the_zone_is_configured(ask: Asked) -> None:
    found = ask(query())
    assert (found.rcode(), soa(found), found.opt) == (dns.rcode.NOERROR, True, None)
    assert found.flags == dns.flags.QR | dns.flags.AA


def test_8_1_2_an_unknown_type_is_nodata(ask: Asked) -> None:
    found = ask(query("TYPE1000"))
    assert (found.rcode(), found.answer, len(found.authority)) == (dns.rcode.NOERROR, [], 1)
    assert found.flags & dns.flags.AA


@pytest.mark.parametrize(
    ("flags", "back"),
    [(dns.flags.CD, dns.flags.CD), (dns.flags.AD, 0), (0x40, 0), (dns.flags.RD, dns.flags.RD), (dns.flags.TC, 0)],
)
def test_8_1_3_header_bits(ask: Asked, flags: int, back: int) -> None:
    found = ask(query(flags=flags))
    assert (found.rcode(), soa(found)) == (dns.rcode.NOERROR, True)
    assert found.flags == dns.flags.QR | dns.flags.AA | back


@pytest.mark.parametrize("opcode", [1, 2, 3, 6, 15])
def test_8_1_4_an_unknown_opcode_is_not_implemented(ask: Asked, opcode: int) -> None:
    asked = dns.message.Message()
    asked.set_opcode(dns.opcode.Opcode(opcode))
    found = ask(asked)
    assert (found.rcode(), found.opcode(), found.sections) == (dns.rcode.NOTIMP, opcode, [[], [], [], []])


def test_8_2_1_minimal_edns(ask: Asked) -> None:
    found = ask(query(use_edns=0))
    assert (found.rcode(), soa(found), found.edns, found.ednsflags) == (dns.rcode.NOERROR, True, 0, 0)


def test_8_2_2_edns_version_1(ask: Asked) -> None:
    found = ask(query(use_edns=1))
    assert (found.rcode(), soa(found), found.edns) == (dns.rcode.BADVERS, False, 0)


def test_8_2_3_an_unknown_option_is_not_echoed(ask: Asked) -> None:
    found = ask(query(use_edns=0, options=generic(100)))
    assert (found.rcode(), soa(found), found.edns, found.options) == (dns.rcode.NOERROR, True, 0, ())


def test_8_2_4_unknown_flags_are_zero_in_the_response(ask: Asked) -> None:
    found = ask(query(use_edns=0, ednsflags=0x40))
    assert (found.rcode(), soa(found), found.ednsflags) == (dns.rcode.NOERROR, True, 0)


def test_8_2_5_version_1_with_unknown_flags(ask: Asked) -> None:
    found = ask(query(use_edns=1, ednsflags=0x40))
    assert (found.rcode(), soa(found), found.edns, found.ednsflags & 0xFFFF) == (dns.rcode.BADVERS, False, 0, 0)


def test_8_2_6_version_1_with_an_unknown_option(ask: Asked) -> None:
    found = ask(query(use_edns=1, options=generic(100)))
    assert (found.rcode(), soa(found), found.edns, found.options) == (dns.rcode.BADVERS, False, 0, ())


def test_8_2_7_a_truncated_response_still_has_edns(server: int) -> None:
    asked = dns.message.make_query("big.example.com", "TXT", use_edns=0, payload=512, want_dnssec=True)
    asked.question[0].name = dns.name.from_text("big.example.com")
    found = dns.query.udp(asked, "127.0.0.1", port=server, timeout=10)
    assert (found.edns, bool(found.ednsflags & dns.flags.DO)) == (0, True)


def test_8_2_8_do_is_copied(ask: Asked) -> None:
    found = ask(query(use_edns=0, want_dnssec=True))
    assert (found.rcode(), soa(found), found.ednsflags & 0xFFFF) == (dns.rcode.NOERROR, True, dns.flags.DO)


def test_8_2_9_version_1_with_do(ask: Asked) -> None:
    found = ask(query(use_edns=1, want_dnssec=True))
    assert (found.rcode(), soa(found), found.edns) == (dns.rcode.BADVERS, False, 0)


def test_8_2_10_many_known_options(ask: Asked) -> None:
    found = ask(query(use_edns=0, options=generic(NSID, COOKIE, ECS, EXPIRE)))
    assert (found.rcode(), soa(found), found.edns) == (dns.rcode.NOERROR, True, 0)
    assert {int(one.otype) for one in found.options} == {NSID, COOKIE, ECS}


@pytest.mark.parametrize("kind", ["AXFR", "IXFR"])
def test_a_transfer_is_refused(ask: Asked, kind: str) -> None:
    found = ask(query(kind))
    assert (found.rcode(), found.answer) == (dns.rcode.REFUSED, [])


def test_notify_and_update_of_strangers_are_not_implemented(ask: Asked) -> None:
    notify = query()
    notify.set_opcode(dns.opcode.NOTIFY)
    assert ask(notify).rcode() == dns.rcode.NOTIMP
    update = dns.update.UpdateMessage("example.com")
    update.add("new", 300, "A", "192.0.2.9")
    assert ask(update).rcode() == dns.rcode.NOTIMP


@pytest.mark.parametrize("kind", ["MAILB", "MAILA", "OPT", "TSIG", "TKEY"])
def test_a_type_that_no_name_has_is_no_error_of_ours(ask: Asked, kind: str) -> None:
    assert ask(query(kind)).rcode() in (dns.rcode.NOERROR, dns.rcode.FORMERR, dns.rcode.NOTIMP, dns.rcode.REFUSED)
