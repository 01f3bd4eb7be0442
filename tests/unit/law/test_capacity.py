"""The law with demand and capacity known: tables with the exact shares and words."""

import pytest
from msgspec import structs

from federation.law.case import Case
from federation.law.shares import rule
from federation.model.handout import Candidate
from federation.model.names import MemberName
from federation.model.policy import Policy, Price

EAST = Candidate(member=MemberName("us-east"), region="us-east", cost=0, ready=4, total=4, capacity=100)
WEST = Candidate(member=MemberName("us-west"), region="us-west", cost=60, ready=4, total=4, capacity=100, grant=200)
EU = Candidate(member=MemberName("eu-central"), region="eu-central", cost=90, ready=4, total=4, capacity=100, grant=80)
ALL = (EAST, WEST, EU)
READY = Policy()


def rps(demand: int, candidates: tuple[Candidate, ...] = ALL, policy: Policy = READY) -> list[int]:
    ruling = rule(candidates, Case("us-east", policy, demand=demand))
    return [round(ruling.of(c.member) * demand / 1_000_000) for c in candidates]


@pytest.mark.parametrize(
    ("demand", "expected"),
    [
        (100, [100, 0, 0]),
        (320, [320, 0, 0]),
        (400, [320, 80, 0]),
        (520, [320, 200, 0]),
        (600, [320, 200, 80]),
        (680, [400, 200, 80]),
        (980, [500, 300, 180]),
    ],
)
def test_own_to_the_fill_then_grants_then_own_to_the_full_then_all_alike(demand: int, expected: list[int]) -> None:
    assert rps(demand) == expected


def test_without_a_grant_readiness_and_the_fill_bound_another() -> None:
    silent = structs.replace(WEST, grant=-1)
    assert rps(1_000, (EAST, silent, EU))[:2] == [320 + 80 + 67, 320 + 67]
    assert rps(500, (EAST, structs.replace(silent, ready=1), EU)) == [340, 80, 80]


def test_what_an_exporter_says_of_its_capacity_is_stronger_than_the_policy() -> None:
    unsaid = structs.replace(EAST, capacity=0)
    assert rps(400, (EAST, WEST), Policy(capacity=10)) == [320, 80]
    assert rps(150, (unsaid, WEST), Policy(capacity=10)) == [32, 118]


def test_a_member_of_unknown_capacity_follows_the_rule_of_readiness() -> None:
    unknown = structs.replace(EAST, capacity=0, ready=2)
    assert rps(200, (unknown, WEST)) == [140, 60]
    assert rps(200, (EAST, structs.replace(WEST, capacity=0, grant=-1, ready=1))) == [200, 0]


def test_unknown_demand_is_the_rule_of_readiness() -> None:
    ruling = rule((structs.replace(EAST, ready=2), WEST), Case("us-east"))
    assert [(s.member, s.ppm) for s in ruling.shares] == [("us-east", 700_000), ("us-west", 300_000)]


def test_what_is_said_of_capacity_and_grants() -> None:
    ruling = rule(ALL, Case("us-east", demand=1_000))
    assert ruling.rules == (
        "us-east: 4 of 4 ready, cost 0, room for 32 % of 1000 rps (80 % of 4 x 100 rps)",
        "us-west: 4 of 4 ready, cost 60, room for 20 % of 1000 rps (grants 200 rps)",
        "eu-central: 4 of 4 ready, cost 90, room for 8 % of 1000 rps (grants 80 rps)",
        "us-east takes 32 % (local first)",
        "us-west takes 20 % (next by cost)",
        "eu-central takes 8 % (next by cost)",
        "us-east takes 8 % more (no granted room is left: up to its full capacity)",
        "nobody has room for the last 32 %: all alike by what they can take",
    )


def test_a_price_makes_a_near_member_far() -> None:
    prices = (Price("us-west", "us-east", 20_000), Price("*", "us-east", 5_000))
    policy = Policy(prices=prices, price_ms=2_500)
    ruling = rule((structs.replace(EAST, ready=0), WEST, EU), Case("us-east", policy))
    assert ruling.of("eu-central") == 1_000_000
    assert ruling.rules[:3] == (
        "us-east: 0 of 4 ready, cost 0, room for 0 %",
        "eu-central: 4 of 4 ready, cost 102 (90 ms away, 12 for a price of 0.005 per GB), room for 100 %",
        "us-west: 4 of 4 ready, cost 110 (60 ms away, 50 for a price of 0.02 per GB), room for 100 %",
    )


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        (("member/eu-central",), "eu-central"),
        (("label/cloud=b",), "eu-central"),
        (("@region",), "us-west"),
        (("eu-central", "@region"), "eu-central"),
        (("@az", "label/cloud=c"), "us-west"),
    ],
)
def test_terms_of_an_order(order: tuple[str, ...], expected: str) -> None:
    near = structs.replace(WEST, region="us-east", cost=300)
    labelled = structs.replace(EU, labels={"cloud": "b"}, cost=300 if order == ("@az", "label/cloud=c") else 10)
    west = structs.replace(near, cost=20) if order[0] == "@az" else near
    ruling = rule((structs.replace(EAST, ready=0), west, labelled), Case("us-east", Policy(order=order)))
    assert ruling.of(expected) == 1_000_000
