"""Public names over bytes: zones, their servers, steered answers; read back by dnspython."""

import dns.edns
import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import pytest
from gslb.client import Client
from gslb.steer import Steering
from gslb.wire import UDP_MAX, respond
from msgspec import structs

from federation.model.names import MemberName
from federation.model.policy import Policy
from tests.worlds.public_names import PAY, SHOP, ZONE, handout, place, steered, steering, table, target, v4, v6

HERE = Client("198.18.1.7")
FAR_AWAY = Client("203.0.113.200")
COM = "other.example.com."


def ask(
    server: Steering | None, name: str, kind: str, client: Client = HERE, payload: int = UDP_MAX, now: int = 0
) -> dns.message.Message:
    query = dns.message.make_query(name, kind, use_edns=0, payload=payload)
    reply = respond(server, query.to_wire(), client, False, now)
    assert reply is not None
    response = dns.message.from_wire(reply.data)
    assert response.question == query.question
    return response


def texts(response: dns.message.Message) -> list[str]:
    return sorted(rr.to_text() for rrset in response.answer for rr in rrset)


def errors(response: dns.message.Message) -> list[int]:
    return [option.code for option in response.options if isinstance(option, dns.edns.EDEOption)]


@pytest.fixture(scope="module")
def server() -> Steering:
    return steering(handout())


ANSWERS = {
    "local first": (SHOP, "A", HERE, [v4("us-east")]),
    "IPv6": (SHOP, "AAAA", HERE, [v6("us-east")]),
    "another place": (SHOP, "A", Client("198.18.3.9"), [v4("eu-central")]),
    "a resolver with an IPv6 address": (SHOP, "A", Client("2001:db8:ff2::5"), [v4("us-west")]),
    "nobody's subnet: the server's own member": (SHOP, "A", FAR_AWAY, [v4("us-east")]),
    "case does not matter": (SHOP.upper(), "A", HERE, [v4("us-east")]),
    "no local member: the nearer": (PAY, "A", HERE, [v4("us-west")]),
    "no local member: the nearer by the client's own place": (PAY, "A", Client("198.18.2.9"), [v4("us-west")]),
    "minimal ANY": (SHOP, "ANY", HERE, [v4("us-east")]),
    "servers of the zone": (ZONE, "NS", HERE, [f"ns-{name}.{ZONE}." for name in ("eu-central", "us-east", "us-west")]),
    "a server's address": (f"ns-us-west.{ZONE}", "A", HERE, ["192.0.2.2"]),
    "a server's IPv6 address": (f"ns-us-west.{ZONE}", "AAAA", HERE, ["2001:db8:53::2"]),
    "SOA": (ZONE, "SOA", HERE, [f"ns-us-east.{ZONE}. hostmaster.{ZONE}. 7 7200 1800 86400 30"]),
}


@pytest.mark.parametrize("case", ANSWERS)
def test_a_name_with_data_is_answered_with_authority(server: Steering, case: str) -> None:
    name, kind, client, wanted = ANSWERS[case]
    response = ask(server, name, kind, client)
    assert response.rcode() == dns.rcode.NOERROR
    assert response.flags & dns.flags.AA
    assert texts(response) == wanted


def test_the_ttl_is_the_names(server: Steering) -> None:
    assert ask(server, SHOP, "A").answer[0].ttl == 5


def test_an_ns_answer_brings_the_servers_addresses(server: Steering) -> None:
    response = ask(server, ZONE, "NS")
    assert sorted(rr.to_text() for rrset in response.additional for rr in rrset) == sorted(
        f"{prefix}{number}" for number in (1, 2, 3) for prefix in ("192.0.2.", "2001:db8:53::")
    )


def test_glue_that_does_not_fit_is_left_out_without_truncation() -> None:
    values = handout()
    values["place/us-west"] = place("us-west", nameservers=tuple(f"2001:db8:53::{n:x}" for n in range(1, 40)))
    response = ask(steering(values), ZONE, "NS", payload=512)
    assert not response.flags & dns.flags.TC
    assert len(texts(response)) == 3
    assert response.additional == []


NEGATIVE = {
    "a type without data": (SHOP, "MX", dns.rcode.NOERROR),
    "HTTPS": (SHOP, "HTTPS", dns.rcode.NOERROR),
    "the apex": (ZONE, "A", dns.rcode.NOERROR),
    "an empty non-terminal": (f"eu.{ZONE}", "A", dns.rcode.NOERROR),
    "no such name": (f"none.{ZONE}", "A", dns.rcode.NXDOMAIN),
    "below a name": (f"x.{SHOP}", "A", dns.rcode.NXDOMAIN),
    "below the empty non-terminal": (f"x.eu.{ZONE}", "A", dns.rcode.NXDOMAIN),
}


@pytest.mark.parametrize("case", NEGATIVE)
def test_a_negative_answer_carries_the_soa(case: str) -> None:
    name, kind, code = NEGATIVE[case]
    values = handout("us-east", steered(SHOP, target("us-east")), steered(f"shop.eu.{ZONE}", target("eu-central")))
    response = ask(steering(values), name, kind)
    assert response.rcode() == code
    assert response.flags & dns.flags.AA
    assert response.answer == []
    assert [(rrset.name.to_text(), rrset.rdtype, rrset.ttl) for rrset in response.authority] == [
        (f"{ZONE}.", dns.rdatatype.SOA, 30)
    ]


@pytest.mark.parametrize("name", [COM, "test.", "notexample.test.", "."])
def test_a_name_outside_our_zones_is_refused_with_the_reason(server: Steering, name: str) -> None:
    response = ask(server, name, "A")
    assert response.rcode() == dns.rcode.REFUSED
    assert not response.flags & dns.flags.AA
    assert errors(response) == [dns.edns.EDECode.NOT_AUTHORITATIVE]


def test_a_steered_name_outside_our_zones_is_not_ours_to_answer() -> None:
    values = handout("us-east", steered(COM.rstrip("."), target("us-east")))
    assert ask(steering(values), COM, "A").rcode() == dns.rcode.REFUSED


def test_a_zone_granted_to_others_only_is_not_ours_to_answer() -> None:
    values = handout()
    values["place/us-east"] = place("us-east", zones=())
    assert ask(steering(values), SHOP, "A").rcode() == dns.rcode.REFUSED


def test_before_the_first_handout_nothing_is_denied() -> None:
    response = ask(None, SHOP, "A")
    assert response.rcode() == dns.rcode.SERVFAIL
    assert errors(response) == [dns.edns.EDECode.NOT_READY]


def test_the_most_specific_zone_answers() -> None:
    values = handout("us-east", steered(f"shop.eu.{ZONE}", target("eu-central")), steered(SHOP, target("us-east")))
    values["place/us-east"] = place("us-east", zones=(ZONE, f"eu.{ZONE}"))
    server = steering(values)
    assert texts(ask(server, f"eu.{ZONE}", "NS")) == [f"ns-us-east.eu.{ZONE}."]
    assert texts(ask(server, f"shop.eu.{ZONE}", "A")) == [v4("eu-central")]
    assert ask(server, f"none.eu.{ZONE}", "A").authority[0].name.to_text() == f"eu.{ZONE}."


def test_a_name_at_the_apex_is_answered_beside_soa_and_ns() -> None:
    server = steering(handout("us-east", steered(ZONE, target("us-west"))))
    assert texts(ask(server, ZONE, "A")) == [v4("us-west")]
    assert len(texts(ask(server, ZONE, "NS"))) == 3


def test_no_zone_reaches_into_clusterset_local() -> None:
    values = handout("us-east", steered("web.shop.svc.clusterset.local", target("us-east")))
    values["place/us-east"] = place("us-east", zones=("local", "svc.clusterset.local"))
    found = table(values)
    assert found.problems == ('zone "svc.clusterset.local": lies in clusterset.local, which has its own names',)
    assert ask(Steering(found, {}), "web.shop.svc.clusterset.local", "A").rcode() == dns.rcode.NXDOMAIN


def test_a_name_of_a_dns_server_is_no_public_name() -> None:
    found = table(handout("us-east", steered(f"ns-us-west.{ZONE}", target("us-east"))))
    assert found.problems == (
        f'GlobalName "ns-us-west.{ZONE}": is the name of a DNS server of zone {ZONE}; choose another',
    )
    assert texts(ask(Steering(found, {}), f"ns-us-west.{ZONE}", "A")) == ["192.0.2.2"]


def test_a_members_longest_name_still_gives_a_server_name() -> None:
    values = handout()
    values["place/us-west"] = place("us-west", member=MemberName("m" * 63))
    assert f"ns-{'m' * 58}-2.{ZONE}." in texts(ask(steering(values), ZONE, "NS"))


def test_a_member_without_dns_servers_is_no_server_of_the_zone() -> None:
    values = handout()
    values["place/us-west"] = place("us-west", nameservers=())
    assert texts(ask(steering(values), ZONE, "NS")) == [f"ns-eu-central.{ZONE}.", f"ns-us-east.{ZONE}."]
    for member in ("us-east", "eu-central"):
        values[f"place/{member}"] = place(member, nameservers=())
    assert len(texts(ask(steering(values), ZONE, "NS"))) == 3


def test_clusterset_names_stand_beside_public_ones(server: Steering) -> None:
    assert texts(ask(server, "dns-version.clusterset.local", "TXT")) == ['"1.0.0"']


def test_a_target_that_is_gone_is_not_answered() -> None:
    assert texts(ask(steering(handout(), shop=("us-east",)), SHOP, "A")) == [v4("us-west")]
    assert texts(ask(steering(handout(), pay=("us-west",)), PAY, "A")) == [v4("eu-central")]


def test_with_every_target_gone_the_evidence_is_left_aside() -> None:
    server = steering(handout(), shop=("us-east", "us-west", "eu-central"))
    assert texts(ask(server, SHOP, "A")) == [v4("us-east")]


def test_with_nobody_ready_by_record_the_name_is_answered_by_cost() -> None:
    values = handout("us-east", steered(PAY, target("eu-central", 0), target("us-west", 0, 0)))
    assert texts(ask(steering(values), PAY, "A")) == [v4("us-west")]
    assert texts(ask(steering(values, pay=("us-west",)), PAY, "A")) == [v4("eu-central")]


def test_a_family_that_only_some_have_is_answered_by_those() -> None:
    values = handout("us-east", steered(SHOP, target("us-east", addresses=(v4("us-east"),)), target("eu-central")))
    server = steering(values)
    assert texts(ask(server, SHOP, "A")) == [v4("us-east")]
    assert texts(ask(server, SHOP, "AAAA")) == [v6("eu-central")]


def test_a_family_that_nobody_has_is_no_data() -> None:
    server = steering(handout("us-east", steered(SHOP, target("us-east", addresses=(v4("us-east"),)))))
    response = ask(server, SHOP, "AAAA")
    assert (response.rcode(), response.answer) == (dns.rcode.NOERROR, [])
    assert response.authority[0].rdtype == dns.rdatatype.SOA


def test_every_address_of_the_picked_member_is_in_the_answer() -> None:
    both = ("203.0.113.1", "203.0.113.9")
    assert texts(ask(steering(handout("us-east", steered(SHOP, target("us-east", addresses=both)))), SHOP, "A")) == [
        *both
    ]


def test_weights_count_for_weighted_names_only() -> None:
    weights = Policy(weights={"eu-central": 1})
    targets = [target(member) for member in ("us-east", "us-west", "eu-central")]
    weighted = steering(handout("us-east", steered(SHOP, *targets, policy=weights, steering="weighted")))
    assert texts(ask(weighted, SHOP, "A")) == [v4("eu-central")]
    assert texts(ask(steering(handout("us-east", steered(SHOP, *targets, policy=weights))), SHOP, "A")) == [
        v4("us-east")
    ]


def test_a_member_that_nobody_measured_comes_after_all_that_were() -> None:
    values = handout("us-east", steered(PAY, target("us-west"), target("eu-central")))
    values["place/us-east"] = place("us-east", costs={MemberName("eu-central"): 900})
    assert texts(ask(steering(values), PAY, "A")) == [v4("eu-central")]


def test_a_return_by_record_is_a_ramp_and_ends() -> None:
    """Back from nothing: 10 % per 10 s, so right after 10 s one client in ten gets it, at last everyone."""
    back = target("us-east")
    back = structs.replace(back, candidate=structs.replace(back.candidate, floor=0, since=1_000))
    server = steering(handout("us-east", steered(SHOP, back, target("us-west"))))

    def local(now: int) -> int:
        clients = [Client(f"198.{51 + n // 256}.{n % 256}.1") for n in range(400)]
        return sum(texts(ask(server, SHOP, "A", client, now=now)) == [v4("us-east")] for client in clients)

    counts = [local(now) for now in (1_000, 11_000, 51_000, 101_000)]
    assert counts[0] == 0
    assert 20 <= counts[1] <= 60
    assert 160 <= counts[2] <= 240
    assert counts[3] == 400
