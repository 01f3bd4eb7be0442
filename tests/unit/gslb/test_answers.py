"""clusterset.local over bytes: each answer read back by dnspython, the independent decoder of this test's queries."""

import dns.flags
import dns.message
import dns.opcode
import dns.rcode
import dns.rdatatype
import pytest
from gslb.client import Client
from gslb.compiler import Compiler
from gslb.steer import Steering
from gslb.wire import UDP_MAX
from gslb.wire import respond as reply_to

from federation.model.handout import Candidate, Import, Listener
from federation.model.names import MemberName, ServiceKey


def imported(name: str, address: str, *ports: tuple[str, int]) -> Import:
    return Import(
        service=ServiceKey("shop", name),
        kind="ClusterSetIP" if address else "Headless",
        addresses=(address,) if address else (),
        ports=tuple(Listener(name=n, port=p, protocol="TCP", app_protocol="", listener=20_000 + p) for n, p in ports),
        candidates=(
            Candidate(member=MemberName("eu-central"), region="eu-central", cost=1, ready=0, total=0, ports=()),
        ),
    )


@pytest.fixture(scope="module")
def table() -> Steering:
    values = {
        "import/shop/web": imported("web", "10.101.0.5", ("http", 80), ("", 81)),
        "import/shop/six": imported("six", "fd00::5", ("http", 80)),
        "import/shop/bare": imported("bare", ""),
    }
    return Steering(Compiler().compile(values, 7), {})


def respond(table: Steering, query: bytes, tcp: bool) -> bytes | None:
    reply = reply_to(table, query, Client("192.0.2.1"), tcp, 0)
    return None if reply is None else reply.data


def ask(table: Steering, name: str, kind: str, tcp: bool = False, edns: bool = True) -> dns.message.Message:
    query = dns.message.make_query(name, kind, use_edns=0 if edns else False, payload=UDP_MAX)
    data = respond(table, query.to_wire(), tcp)
    assert data is not None
    response = dns.message.from_wire(data)
    assert response.id == query.id
    assert response.question == query.question
    return response


def texts(response: dns.message.Message) -> list[str]:
    return sorted(f"{rr.to_text()}" for rrset in response.answer for rr in rrset)


WEB = "web.shop.svc.clusterset.local."
ANSWERS = {
    (WEB, "A"): ["10.101.0.5"],
    (WEB.upper(), "A"): ["10.101.0.5"],
    (WEB, "SRV"): [f"0 10 80 {WEB}", f"0 10 81 {WEB}"],
    ("_http._tcp." + WEB, "SRV"): [f"0 10 80 {WEB}"],
    ("six.shop.svc.clusterset.local.", "AAAA"): ["fd00::5"],
    ("dns-version.clusterset.local.", "TXT"): ['"1.0.0"'],
    ("clusterset.local.", "NS"): ["ns.dns.clusterset.local."],
    (WEB, "ANY"): ["10.101.0.5"],
}


@pytest.mark.parametrize("asked", ANSWERS)
def test_a_name_with_data_is_answered_with_authority(table: Steering, asked: tuple[str, str]) -> None:
    response = ask(table, *asked)
    assert response.rcode() == dns.rcode.NOERROR
    assert response.flags & dns.flags.AA
    assert texts(response) == ANSWERS[asked]


NEGATIVE = {
    "no AAAA where the address is IPv4": (WEB, "AAAA", dns.rcode.NOERROR),
    "a type without data": (WEB, "MX", dns.rcode.NOERROR),
    "an empty non-terminal": ("shop.svc.clusterset.local.", "A", dns.rcode.NOERROR),
    "the empty non-terminal of a port": ("_tcp." + WEB, "SRV", dns.rcode.NOERROR),
    "the apex": ("clusterset.local.", "A", dns.rcode.NOERROR),
    "no such service": ("none.shop.svc.clusterset.local.", "A", dns.rcode.NXDOMAIN),
    "below a service": ("x." + WEB, "A", dns.rcode.NXDOMAIN),
    "the forbidden member form": ("eu-central." + WEB, "A", dns.rcode.NXDOMAIN),
    "headless with nobody ready": ("bare.shop.svc.clusterset.local.", "A", dns.rcode.NXDOMAIN),
}


@pytest.mark.parametrize("case", NEGATIVE)
def test_a_negative_answer_carries_the_soa(table: Steering, case: str) -> None:
    name, kind, code = NEGATIVE[case]
    response = ask(table, name, kind)
    assert response.rcode() == code
    assert response.answer == []
    assert [rrset.rdtype for rrset in response.authority] == [dns.rdatatype.SOA]
    assert response.authority[0].ttl == 5


def test_a_service_with_nobody_ready_keeps_its_address(table: Steering) -> None:
    assert texts(ask(table, WEB, "A")) == ["10.101.0.5"]


@pytest.mark.parametrize("name", ["example.com.", "local.", "notclusterset.local.", "."])
def test_another_zone_is_refused(table: Steering, name: str) -> None:
    response = ask(table, name, "A")
    assert response.rcode() == dns.rcode.REFUSED
    assert not response.flags & dns.flags.AA


def test_the_query_class_must_be_in(table: Steering) -> None:
    query = dns.message.make_query(WEB, "A", "CH")
    data = respond(table, query.to_wire(), False)
    assert data is not None
    assert dns.message.from_wire(data).rcode() == dns.rcode.REFUSED


@pytest.mark.parametrize("opcode", [dns.opcode.NOTIFY, dns.opcode.UPDATE, dns.opcode.STATUS])
def test_other_opcodes_are_not_implemented(table: Steering, opcode: dns.opcode.Opcode) -> None:
    query = dns.message.make_query(WEB, "A")
    query.set_opcode(opcode)
    data = respond(table, query.to_wire(), False)
    assert data is not None
    assert data[3] & 0xF == dns.rcode.NOTIMP
    assert data[:2] == query.to_wire()[:2]


def test_an_unknown_edns_version_is_badvers(table: Steering) -> None:
    query = dns.message.make_query(WEB, "A", use_edns=1)
    data = respond(table, query.to_wire(), False)
    assert data is not None
    assert dns.message.from_wire(data).rcode() == dns.rcode.BADVERS


def test_a_plain_query_gets_no_edns_back(table: Steering) -> None:
    assert ask(table, WEB, "A", edns=False).edns == -1
    assert ask(table, WEB, "A").edns == 0


def test_an_answer_that_does_not_fit_is_truncated_on_udp_and_whole_on_tcp() -> None:
    many = imported("many", "10.101.0.9", *((f"port-number-{n}", 1000 + n) for n in range(60)))
    table = Steering(Compiler().compile({"import/shop/many": many}, 1), {})
    name = "many.shop.svc.clusterset.local."
    short = ask(table, name, "SRV", edns=False)
    assert short.flags & dns.flags.TC
    assert short.answer == []
    assert len(texts(ask(table, name, "SRV", tcp=True))) == 60


@pytest.mark.parametrize("size", range(12))
def test_less_than_a_header_is_met_with_silence(table: Steering, size: int) -> None:
    assert respond(table, bytes(size), False) is None


def test_a_response_is_met_with_silence(table: Steering) -> None:
    response = ask(table, WEB, "A")
    assert respond(table, response.to_wire(), False) is None


def test_every_prefix_and_every_flipped_byte_of_a_query_is_survived(table: Steering) -> None:
    query = dns.message.make_query(WEB, "A", use_edns=0).to_wire()
    for size in range(12, len(query)):
        data = respond(table, query[:size], False)
        assert data is None or data[:2] == query[:2]
    for index in range(len(query)):
        for bit in range(8):
            bent = query[:index] + bytes([query[index] ^ (1 << bit)]) + query[index + 1 :]
            data = respond(table, bent, False)
            assert data is None or data[:2] == bent[:2]
