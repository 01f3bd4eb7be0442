"""Whose word takes a target out of the answers, and how it comes back: in virtual time."""

from copy import deepcopy
from itertools import chain

import pytest
from gslb.checks import DEFAULT, Address, Asked, Check, Finding, Reach, Server, checks_of
from gslb.stock import Stock
from gslb.table import Table
from gslb.zone import AAAA, A
from msgspec import Struct, structs

from federation.health.verdict import Verdict
from federation.model.handout import Witness
from federation.model.names import MemberName
from federation.model.policy import Policy, Probe
from federation.model.record import Evidence
from federation.model.report import TargetReport
from federation.model.standing import Standing
from tests.worlds.public_names import NUMBERS, PAY, SHOP, handout, steered, table, target, v4, v6

PROBED = Policy(probe=Probe(path="/health"))
DOWN, UP = Verdict(up=False, since=5_000), Verdict(up=True)
WEST, EAST, EU = (Check(SHOP, A, member) for member in ("us-west", "us-east", "eu-central"))
ANCHOR, ANCHOR6 = ("192.0.2.99", 53), ("2001:db8::99", 53)


def world(*observers: str, own: str = "us-east", members: tuple[str, ...] = tuple(NUMBERS), **changed: object) -> Table:
    """shop, probed over IPv4, in these members; the observers say that us-west's target is down."""
    name = steered(SHOP, *(target(member, addresses=(v4(member),)) for member in members), policy=PROBED)
    values: dict[str, Struct] = handout(own, name)
    said = Evidence(kind="target", about=MemberName("us-west"), host=SHOP, since=5)
    for observer in observers:
        values[f"witness/{observer}/target/us-west/{SHOP}"] = Witness(
            MemberName(observer), structs.replace(said, **changed)
        )
    return table(values)


class Found(dict[Check, Finding]):
    """The findings on all targets, and the stock that they are of."""

    def __init__(self, stock: Stock) -> None:
        super().__init__(chain.from_iterable(one.items() for one in stock.findings.values()))
        self.stock = stock


def stock(
    seen: Table,
    verdicts: dict[Check, Verdict],
    outside: dict[Address, bool],
    before: Found | None,
    now: int,
    servers: dict[Server, bool] | None = None,
    words: bool = True,
) -> Found:
    """Stock taken after `before`, which stays as it was."""
    held = deepcopy(before.stock) if before is not None else Stock()
    checks = {host: checks_of(item) for host, item in seen.steered.items()}
    held.take(seen, checks, verdicts, seen.steered, Reach(outside, servers or {}, words), now)
    return Found(held)


def away(*found: Found) -> list[list[str]]:
    """Who is taken out of the answers."""
    return [[check.member for check, one in each.items() if not one.way.up] for each in found]


WITNESSED = {
    "another member, and we": (("eu-central",), {WEST: DOWN}, ["us-west"]),
    "another member alone": (("eu-central",), {WEST: UP}, []),
    "another member, and we do not know yet": (("eu-central",), {}, []),
    "we alone": ((), {WEST: DOWN}, []),
    "our own record is no other's word": (("us-east",), {WEST: DOWN}, []),
    "nor is the target's own member": (("us-west",), {WEST: DOWN}, []),
}


@pytest.mark.parametrize("case", WITNESSED)
def test_it_takes_two_at_once(case: str) -> None:
    observers, verdicts, gone = WITNESSED[case]
    assert away(stock(world(*observers), verdicts, {}, None, 6_000)) == [gone]


@pytest.mark.parametrize("changed", [{"host": PAY}, {"about": MemberName("eu-central")}, {"kind": "link"}])
def test_a_word_about_something_else_is_none(changed: dict[str, object]) -> None:
    assert away(stock(world("eu-central", **changed), {WEST: DOWN}, {}, None, 6_000)) == [[]]  # type: ignore[arg-type]


def test_our_word_alone_counts_after_ten_seconds_and_says_when() -> None:
    found = stock(world(), {WEST: DOWN}, {}, None, 6_000)
    assert found.stock.due == 15_000
    assert away(found, stock(world(), {WEST: DOWN}, {}, found, 14_999)) == [[], []]
    found = stock(world(), {WEST: DOWN}, {}, found, 15_000)
    assert away(found) == [["us-west"]]
    assert found.stock.due == 0


def test_it_stays_away_while_we_find_it_down_whoever_changes_his_word() -> None:
    found = stock(world("eu-central"), {WEST: DOWN}, {}, None, 6_000)
    found = stock(world(), {WEST: DOWN}, {}, found, 7_000)
    assert away(found) == [["us-west"]]
    assert found[WEST].way == Standing(up=False, since=6_000)


def test_it_comes_back_by_the_ramp_from_when_it_was_back() -> None:
    found = stock(world("eu-central"), {WEST: DOWN}, {}, None, 6_000)
    back = Verdict(up=True, since=20_000)
    found = stock(world("eu-central"), {WEST: back}, {}, found, 20_000)
    assert found.stock.evidence == {(SHOP, A): {"us-west": Standing(up=True, since=20_000)}}
    again = stock(world(), {WEST: back}, {}, found, 25_000)
    assert again[WEST].way.since == 20_000, "the return does not begin anew"


def test_one_that_was_never_away_has_no_ramp() -> None:
    found = stock(world(), {WEST: DOWN}, {}, None, 6_000)
    found = stock(world(), {WEST: Verdict(up=True, since=8_000)}, {}, found, 8_000)
    assert found.stock.evidence == {}


ISOLATED = {
    "nobody else answers": ({WEST: DOWN, EU: DOWN}, {}, [], True),
    "and not us either": ({WEST: DOWN, EU: DOWN, EAST: DOWN}, {}, [], True),
    "another member answers": ({WEST: DOWN, EU: UP}, {}, ["us-west"], False),
    "an anchor answers": ({WEST: DOWN, EU: DOWN}, {ANCHOR: True}, ["eu-central", "us-west"], False),
    "one of two anchors answers": ({WEST: DOWN}, {ANCHOR: True, ("192.0.2.98", 53): False}, ["us-west"], False),
    "no anchor answers, but a member does": ({WEST: DOWN}, {ANCHOR: False}, ["us-west"], False),
    "neither an anchor nor a member answers": ({WEST: DOWN, EU: DOWN}, {ANCHOR: False}, [], True),
    "an anchor of the other family says nothing": ({WEST: DOWN, EU: DOWN}, {ANCHOR6: True}, [], True),
}


@pytest.mark.parametrize("case", ISOLATED)
def test_who_is_cut_off_blames_himself(case: str) -> None:
    verdicts, anchors, gone, isolated = ISOLATED[case]
    found = stock(world(), verdicts, anchors, None, 20_000)
    found = stock(world(), verdicts, anchors, found, 30_000)
    assert away(found) == [gone]
    assert {one.isolated for one in found.values()} == {isolated}
    assert found.stock.cut == ({A} if isolated else set())
    assert isolated or found.stock.reports


def test_with_two_members_only_an_anchor_tells_who_is_cut_off() -> None:
    two = world(members=("us-east", "us-west"))
    assert away(stock(two, {WEST: DOWN}, {}, None, 20_000)) == [["us-west"]]
    assert away(stock(two, {WEST: DOWN}, {ANCHOR: False}, None, 20_000)) == [[]]


def test_of_our_own_members_target_our_word_alone_never_counts() -> None:
    """Inside a NAT our own public address may be out of our reach though the world reaches it."""
    assert away(stock(world(), {EAST: DOWN}, {}, None, 99_000)) == [[]]
    assert away(stock(world("eu-central", about=MemberName("us-east")), {EAST: DOWN}, {}, None, 6_000)) == [["us-east"]]


def test_anothers_fresh_word_counts_also_while_we_seem_cut_off_and_an_old_one_never() -> None:
    both = {WEST: DOWN, EU: DOWN}
    seen = world("eu-central")
    assert away(stock(seen, both, {}, None, 6_000)) == [["us-west"]]
    assert away(stock(seen, both, {}, None, 6_000, words=False)) == [[]]


def test_what_is_down_is_reported_as_long_as_it_is() -> None:
    found = stock(world(), {WEST: DOWN, EU: UP}, {}, None, 6_000)
    assert found.stock.reports == {f"target/us-west/{SHOP}": TargetReport(MemberName("us-west"), SHOP, 5)}
    assert stock(world(), {WEST: UP, EU: UP}, {}, found, 7_000).stock.reports == {}


def test_each_family_has_its_own_verdict_and_a_report_means_both() -> None:
    both = table(handout("us-east", steered(SHOP, *(target(member) for member in NUMBERS), policy=PROBED)))
    six = Check(SHOP, AAAA, "us-west")
    found = stock(both, {WEST: DOWN}, {}, None, 15_000)
    assert [check for check, one in found.items() if not one.way.up] == [WEST]
    assert found.stock.reports == {}
    later = Verdict(up=False, since=9_000)
    assert stock(both, {WEST: DOWN, six: later}, {}, None, 15_000).stock.reports == {
        f"target/us-west/{SHOP}": TargetReport(MemberName("us-west"), SHOP, 9)
    }


def test_a_server_without_ipv6_still_speaks_of_ipv4() -> None:
    both = table(handout("us-east", steered(SHOP, *(target(member) for member in NUMBERS), policy=PROBED)))
    none = {Check(SHOP, AAAA, member): DOWN for member in NUMBERS}
    found = stock(both, {WEST: DOWN, **none}, {}, None, 15_000)
    assert [check for check, one in found.items() if not one.way.up] == [WEST]
    assert list(found.stock.reports) == [f"target/us-west/{SHOP}"]


def test_every_first_address_is_probed_by_the_names_probe_or_the_usual_one() -> None:
    more = target("us-west", addresses=("203.0.113.2", "203.0.113.22", "2001:db8:2::1"))
    values = handout("us-east", steered(SHOP, target("us-east"), more, policy=PROBED), steered(PAY, target("us-east")))
    probes = (Probe(path="/health"),)
    assert {k: v for item in table(values).steered.values() for k, v in checks_of(item).items()} == {
        EAST: Asked(v4("us-east"), probes),
        Check(SHOP, AAAA, "us-east"): Asked(v6("us-east"), probes),
        WEST: Asked("203.0.113.2", probes),
        Check(SHOP, AAAA, "us-west"): Asked("2001:db8:2::1", probes),
        Check(PAY, A, "us-east"): Asked(v4("us-east"), (DEFAULT,)),
        Check(PAY, AAAA, "us-east"): Asked(v6("us-east"), (DEFAULT,)),
    }


def test_a_member_that_plays_dead_with_one_address_does_not_make_us_doubt_ourselves() -> None:
    """us-west is dead; eu-central's target is silent as well, but its name server answers."""
    both = {WEST: DOWN, EU: DOWN}
    assert away(stock(world(), both, {}, None, 20_000)) == [[]]
    servers = {("eu-central", "198.51.100.3"): True, ("us-west", "198.51.100.2"): False}
    found = stock(world(), both, {}, None, 20_000, servers)
    assert away(stock(world(), both, {}, found, 30_000, servers)) == [["eu-central", "us-west"]]


def test_who_was_taken_away_stays_so_while_we_are_cut_off() -> None:
    found = stock(world("eu-central"), {WEST: DOWN}, {}, None, 6_000)
    assert away(found) == [["us-west"]]
    assert away(stock(world(), {WEST: DOWN, EU: DOWN}, {}, found, 20_000)) == [["us-west"]]


def test_of_two_that_only_we_find_down_the_second_goes_ten_seconds_later_and_says_when() -> None:
    """Four of twelve ready endpoints go at once; eight would be more than half."""
    later = Verdict(up=False, since=DOWN.since + 1)
    both, anchors = {WEST: later, EU: DOWN}, {ANCHOR: True}
    found = stock(world(), both, anchors, None, 20_000)
    assert away(found) == [["eu-central"]], "who has been down longest goes first"
    assert (found[WEST].held, found[EU].held) == (30_000, 0)
    assert found.stock.due == 30_000
    found = stock(world(), both, anchors, found, 29_999)
    assert away(found) == [["eu-central"]]
    found = stock(world(), both, anchors, found, 30_000)
    assert away(found) == [["eu-central", "us-west"]]
    assert found.stock.due == 0


def test_what_another_member_agrees_with_is_not_held_back_but_counts() -> None:
    both, anchors = {WEST: DOWN, EU: DOWN}, {ANCHOR: True}
    found = stock(world("eu-central"), both, anchors, None, 20_000)
    assert away(found) == [["us-west"]], "eu-central waits: us-west went in this moment"
    assert found[EU].held == 30_000
    found = stock(world("us-west", about=MemberName("eu-central")), both, anchors, found, 21_000)
    assert away(found) == [["eu-central", "us-west"]]


def test_who_comes_back_while_he_is_held_back_never_went() -> None:
    anchors = {ANCHOR: True}
    found = stock(world(), {WEST: DOWN, EU: DOWN}, anchors, None, 20_000)
    assert found[WEST].held == 30_000
    found = stock(world(), {WEST: Verdict(up=True, since=25_000), EU: DOWN}, anchors, found, 25_000)
    found = stock(world(), {WEST: Verdict(up=True, since=25_000), EU: DOWN}, anchors, found, 40_000)
    assert away(found) == [["eu-central"]] and found[WEST].way == Standing()
