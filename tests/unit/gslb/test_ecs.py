"""The client subnet option over bytes (RFC 7871): what comes back, and what is a format error."""

import struct

import dns.edns
import dns.flags
import dns.message
import dns.rcode
import pytest
from gslb.client import Client
from gslb.ecs import echo, parse_subnet
from gslb.steer import Steering
from gslb.wire import respond

from tests.worlds.public_names import SHOP, ZONE, handout, place, steering, v4

RESOLVER = Client("198.18.1.53")
"""Near us-east."""


@pytest.fixture(scope="module")
def server() -> Steering:
    return steering(handout())


def query(name: str, kind: str, *options: bytes) -> bytes:
    return dns.message.make_query(
        name, kind, use_edns=0, options=[dns.edns.GenericOption(dns.edns.OptionType.ECS, o) for o in options]
    ).to_wire()


def ask(server: Steering, *options: bytes, name: str = SHOP, kind: str = "A") -> dns.message.Message:
    reply = respond(server, query(name, kind, *options), RESOLVER, False, 0)
    assert reply is not None
    return dns.message.from_wire(reply.data)


def subnet_of(response: dns.message.Message) -> list[bytes]:
    return [option.to_wire() or b"" for option in response.options if option.otype == dns.edns.OptionType.ECS]


def option(family: int, source: int, scope: int, address: bytes) -> bytes:
    return struct.pack("!HBB", family, source, scope) + address


GOOD = {
    "a /24": (option(1, 24, 0, bytes([198, 18, 3])), "eu-central", 24),
    "a /32": (option(1, 32, 0, bytes([198, 18, 3, 77])), "eu-central", 24),
    "a /16, not enough to say: our own": (option(1, 16, 0, bytes([198, 18])), "us-east", 24),
    "a /20 with a short last byte": (option(1, 20, 0, bytes([198, 18, 0])), "us-east", 24),
    "an IPv6 /48": (option(2, 48, 0, bytes.fromhex("20010db80ff2")), "us-west", 48),
    "an IPv6 /56": (option(2, 56, 0, bytes.fromhex("20010db80ff20a")), "us-west", 48),
    "source 0: by the resolver": (option(1, 0, 0, b""), "us-east", 0),
    "source 0 of IPv6": (option(2, 0, 0, b""), "us-east", 0),
}


@pytest.mark.parametrize("case", GOOD)
def test_the_option_is_echoed_with_the_scope(server: Steering, case: str) -> None:
    sent, member, scope = GOOD[case]
    response = ask(server, sent)
    assert [rr.to_text() for rr in response.answer[0]] == [v4(member)]
    assert subnet_of(response) == [sent[:3] + bytes([scope]) + sent[4:]]


def test_without_the_option_there_is_none_in_the_answer(server: Steering) -> None:
    response = ask(server)
    assert response.edns == 0
    assert subnet_of(response) == []


NOT_STEERED = {
    "SOA": (ZONE, "SOA"),
    "NS": (ZONE, "NS"),
    "a server's address": (f"ns-us-east.{ZONE}", "A"),
    "no data": (SHOP, "MX"),
    "no name": (f"none.{ZONE}", "A"),
    "clusterset.local": ("dns-version.clusterset.local", "TXT"),
    "refused": ("example.com", "A"),
}


@pytest.mark.parametrize("case", NOT_STEERED)
def test_what_is_not_steered_has_scope_0(server: Steering, case: str) -> None:
    name, kind = NOT_STEERED[case]
    sent = option(1, 24, 0, bytes([198, 18, 3]))
    assert subnet_of(ask(server, sent, name=name, kind=kind)) == [sent]


BAD = {
    "shorter than its header": b"\0\1\x18",
    "empty": b"",
    "a scope in the query": option(1, 24, 24, bytes([198, 18, 3])),
    "too short an address": option(1, 24, 0, bytes([198, 18])),
    "too long an address": option(1, 24, 0, bytes([198, 18, 3, 0])),
    "bits beyond the source": option(1, 20, 0, bytes([198, 18, 0x31])),
    "more than 32 bits of IPv4": option(1, 33, 0, bytes(5)),
    "more than 128 bits of IPv6": option(2, 129, 0, bytes(17)),
    "family 3": option(3, 24, 0, bytes(3)),
    "family 0 with an address": option(0, 24, 0, bytes([198, 18, 3])),
    "an address with source 0": option(1, 0, 0, bytes([198])),
}


@pytest.mark.parametrize("case", BAD)
def test_a_malformed_option_is_a_format_error_with_edns(server: Steering, case: str) -> None:
    response = ask(server, BAD[case])
    assert response.rcode() == dns.rcode.FORMERR
    assert response.edns == 0
    assert response.answer == []
    assert subnet_of(response) == []


def test_two_client_subnets_are_a_format_error(server: Steering) -> None:
    sent = option(1, 24, 0, bytes([198, 18, 3]))
    assert ask(server, sent, sent).rcode() == dns.rcode.FORMERR


def test_a_prefix_longer_than_the_scope_counts_for_resolvers_only() -> None:
    """198.18.1.128/25 is near eu-central: a client subnet is judged by its /24, a resolver by its whole address."""
    values = handout()
    values["place/eu-central"] = place("eu-central", subnets=("198.18.1.128/25",))
    server = steering(values)
    response = ask(server, option(1, 32, 0, bytes([198, 18, 1, 200])))
    assert response.answer[0][0].to_text() == v4("us-east")
    reply = respond(server, query(SHOP, "A"), Client("198.18.1.200"), False, 0)
    assert reply is not None
    assert dns.message.from_wire(reply.data).answer[0][0].to_text() == v4("eu-central")


def test_a_refused_edns_version_is_met_without_data(server: Steering) -> None:
    message = dns.message.make_query(
        SHOP, "A", use_edns=1, options=[dns.edns.GenericOption(dns.edns.OptionType.ECS, b"\0\1\x18\0\1\2\3")]
    )
    reply = respond(server, message.to_wire(), RESOLVER, False, 0)
    assert reply is not None
    response = dns.message.from_wire(reply.data)
    assert (response.rcode(), response.edns, response.answer) == (dns.rcode.BADVERS, 0, [])
    assert subnet_of(response) == []


def test_do_is_copied_and_unknown_options_are_not(server: Steering) -> None:
    message = dns.message.make_query(SHOP, "A", want_dnssec=True, options=[dns.edns.GenericOption("65001", b"x")])
    reply = respond(server, message.to_wire(), RESOLVER, False, 0)
    assert reply is not None
    response = dns.message.from_wire(reply.data)
    assert response.ednsflags & dns.flags.DO
    assert list(response.options) == []


OPT = b"\0\0\x29\x04\xd0\0\0\0\0\0\0"
OPT_MISPLACED = {
    "two": (2, OPT + OPT),
    "not owned by the root": (1, b"\1a" + OPT),
    "cut off": (1, OPT[:-1]),
    "announced and absent": (1, b""),
    "with an option that is cut off": (1, OPT[:-1] + b"\4\0\x08\0\x08"),
}


@pytest.mark.parametrize("case", OPT_MISPLACED)
def test_a_bad_opt_record_is_a_format_error(server: Steering, case: str) -> None:
    count, records = OPT_MISPLACED[case]
    plain = dns.message.make_query(SHOP, "A", use_edns=False).to_wire()
    reply = respond(server, plain[:10] + struct.pack("!H", count) + plain[12:] + records, RESOLVER, False, 0)
    assert reply is not None
    assert reply.code == dns.rcode.FORMERR
    assert reply.data[:2] == plain[:2]


def test_family_0_with_nothing_behind_it_asks_not_to_be_located() -> None:
    """`dig +subnet=0` sends it."""
    subnet = parse_subnet(bytes(4))
    assert subnet.source == 0
    assert echo(subnet, 0) == bytes(4)
