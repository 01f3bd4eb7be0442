"""Names that have the addresses of others: ALIAS records, and hints of HTTPS and SVCB records."""

import dns.message
import dns.rcode
import dns.rdatatype
import pytest
from gslb.client import Client
from gslb.compiler import Compiler
from gslb.locality import parse_lines
from gslb.master import load_zone
from gslb.packed import Packed
from gslb.steer import Evidence, Steering
from gslb.table import Table
from gslb.wire import respond
from gslb.zone import AAAA, A
from msgspec import structs

from federation.model.errors import InputError
from federation.model.standing import Standing
from tests.worlds.public_names import PAY, SHOP, ZONE, handout, steered, target, v4, v6

HEAD = f"""$ORIGIN {ZONE}.
$TTL 300
@ SOA ns hostmaster 20 7200 1800 86400 60
@ NS ns
ns A 192.0.2.53
"""
TEXT = f"""{HEAD}
@ 60 ALIAS shop
plain 10 ALIAS ns
chain ALIAS plain
missing ALIAS nothing
away ALIAS www.example.net.
round ALIAS trip
trip ALIAS round
*.wild ALIAS shop
@ HTTPS 1 shop alpn=h2 ipv4hint=192.0.2.99 ipv6hint=2001:db8::99
shop HTTPS 1 . alpn=h2,h3 port=8443 ipv4hint=192.0.2.99
both HTTPS 1 shop ipv4hint=192.0.2.99
both HTTPS 2 pay ipv4hint=192.0.2.98
bare HTTPS 1 shop alpn=h2
other SVCB 1 ns alpn=h2 ipv4hint=192.0.2.53
"""
EU, EAST = Client("198.18.3.7"), Client("198.18.1.7")


def table_of(text: str = TEXT, *alpn: str) -> Table:
    shop = steered(SHOP, *map(target, ("us-east", "us-west", "eu-central")))
    named = structs.replace(shop, name=structs.replace(shop.name, alpn=alpn))
    values = handout("us-east", named, steered(PAY, target("us-west")))
    zone = load_zone(text, "z")
    return Compiler(parse_lines("", "map")).compile(values, 7, {zone.apex: zone})


def ask(
    name: str, kind: str, client: Client = EAST, table: Table | None = None, held: Evidence | None = None
) -> tuple[str, int, list[str]]:
    """Code, records of authority, and what is in the answer with its TTLs."""
    query = dns.message.make_query(name, kind).to_wire()
    reply = respond(Steering(table or table_of(), held or {}), query, client, True, 0)
    assert reply is not None
    found = dns.message.from_wire(reply.data)
    rows = [f"{rrset.ttl} {item}" for rrset in found.answer for item in rrset]
    return dns.rcode.to_text(found.rcode()), len(found.authority), rows


CASES = {
    "the apex, by the client": (ZONE, "A", ("NOERROR", 0, [f"5 {v4('us-east')}"])),
    "the apex, of the other family": (ZONE, "AAAA", ("NOERROR", 0, [f"5 {v6('us-east')}"])),
    "a fixed target, by the shorter TTL": (f"plain.{ZONE}", "A", ("NOERROR", 0, ["10 192.0.2.53"])),
    "one that leads to another": (f"chain.{ZONE}", "A", ("NOERROR", 0, ["10 192.0.2.53"])),
    "no address of that family": (f"plain.{ZONE}", "AAAA", ("NOERROR", 1, [])),
    "a target that is not there": (f"missing.{ZONE}", "A", ("NOERROR", 1, [])),
    "a target that is not ours": (f"away.{ZONE}", "A", ("SERVFAIL", 0, [])),
    "a circle": (f"round.{ZONE}", "A", ("SERVFAIL", 0, [])),
    "a wildcard": (f"a.b.wild.{ZONE}", "A", ("NOERROR", 0, [f"5 {v4('us-east')}"])),
    "another type": (f"plain.{ZONE}", "MX", ("NOERROR", 1, [])),
    "its own number": (f"plain.{ZONE}", "TYPE65401", ("NOERROR", 1, [])),
    "any type, beside others": (
        ZONE,
        "ANY",
        ("NOERROR", 0, [f"300 ns.{ZONE}. hostmaster.{ZONE}. 20 7200 1800 86400 60"]),
    ),
    "any type, with nothing else": (f"plain.{ZONE}", "ANY", ("NOERROR", 1, [])),
}


@pytest.mark.parametrize("case", CASES)
def test_an_alias_has_what_its_target_has(case: str) -> None:
    name, kind, told = CASES[case]
    assert ask(name, kind) == told


def test_the_apex_follows_the_client_and_the_health_of_targets() -> None:
    assert ask(ZONE, "A", EU)[2] == [f"5 {v4('eu-central')}"]
    gone = {(SHOP, kind): {"us-east": Standing(up=False, since=1)} for kind in (A, AAAA)}
    assert ask(ZONE, "A", EAST, held=gone)[2] == [f"5 {v4('us-west')}"]


def test_a_kept_answer_of_an_alias_is_that_of_the_place() -> None:
    steering = Steering(table_of(), {})
    packed = Packed(steering, lambda data, client, now: respond(steering, data, client, False, now))
    query = dns.message.make_query(ZONE, "A").to_wire()
    for _ in range(2):
        found = [packed.respond(query, client.address, 0) for client in (EAST, EU)]
        told = [dns.message.from_wire(one[0]).answer[0][0].to_text() for one in found if one]
        assert told == [v4("us-east"), v4("eu-central")]
    assert len(packed) == 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x ALIAS a\nx A 192.0.2.1\n", f"z:7: x.{ZONE} has an ALIAS record and addresses of its own"),
        ("x ALIAS a\nx ALIAS b\n", f"z:7: x.{ZONE} has a second ALIAS record"),
        ("x ALIAS a\nx CNAME b\n", f"z:6: x.{ZONE} has a CNAME record and other data (RFC 1034 section 3.6.2)"),
    ],
)
def test_what_cannot_stand_beside_an_alias_is_refused(text: str, said: str) -> None:
    with pytest.raises(InputError) as caught:
        load_zone(HEAD + text, "z")
    assert caught.value.text == said


def hints(name: str, client: Client = EAST, table: Table | None = None, kind: str = "HTTPS") -> list[str]:
    return ask(name, kind, client, table)[2]


def test_hints_are_those_of_the_steered_name_for_this_client() -> None:
    east, eu = v4("us-east"), v4("eu-central")
    assert hints(ZONE) == [f'5 1 shop.{ZONE}. alpn="h2" ipv4hint="{east}" ipv6hint="{v6("us-east")}"']
    assert hints(ZONE, EU) == [f'5 1 shop.{ZONE}. alpn="h2" ipv4hint="{eu}" ipv6hint="{v6("eu-central")}"']
    assert hints(SHOP, EU) == [f'5 1 . alpn="h2,h3" port="8443" ipv4hint="{eu}"']
    assert hints(f"bare.{ZONE}") == [f'300 1 shop.{ZONE}. alpn="h2"']
    assert hints(f"other.{ZONE}", kind="SVCB") == [f'300 1 ns.{ZONE}. alpn="h2" ipv4hint="192.0.2.53"']


def test_hints_of_several_names_are_each_its_own_and_not_kept() -> None:
    found = sorted(hints(f"both.{ZONE}", EU))
    assert found == [f'5 1 shop.{ZONE}. ipv4hint="{v4("eu-central")}"', f'5 2 pay.{ZONE}. ipv4hint="{v4("us-west")}"']
    steering = Steering(table_of(), {})
    packed = Packed(steering, lambda data, client, now: respond(steering, data, client, False, now))
    packed.respond(dns.message.make_query(f"both.{ZONE}", "HTTPS").to_wire(), EU.address, 0)
    assert len(packed) == 0


def test_a_public_name_that_says_its_protocols_has_an_https_record() -> None:
    table = table_of(HEAD, "h3", "h2")
    east = f'5 1 . alpn="h3,h2" ipv4hint="{v4("us-east")}" ipv6hint="{v6("us-east")}"'
    assert hints(SHOP, EAST, table) == [east]
    assert ask(PAY, "HTTPS", table=table) == ("NOERROR", 1, [])
