"""Leaving is immediate, return is a function of age."""

import pytest
from msgspec import structs

from federation.law.recovery import follow
from federation.law.shares import Case, Ruling, rule
from federation.model.handout import Candidate
from federation.model.names import MemberName
from federation.model.policy import Policy, Ramp
from federation.model.standing import Standing

SECOND = 1_000
T = 1_700_000_000_000
LAW = Policy(ramp=Ramp(percent=10, seconds=1))
EAST = Candidate(member=MemberName("us-east"), region="us-east", cost=0, ready=4, total=4)
WEST = Candidate(member=MemberName("us-west"), region="us-west", cost=60, ready=4, total=4)
EU = Candidate(member=MemberName("eu-central"), region="eu-central", cost=90, ready=4, total=4)


def share(east: Candidate, now: int) -> float:
    return rule([east, WEST, EU], Case("us-east", LAW, now=now)).of("us-east") / 10_000


def test_two_of_four_leave_at_once_and_come_back_by_the_ramp() -> None:
    down = follow(EAST, structs.replace(EAST, ready=2), LAW, T)
    assert share(down, T) == 70
    back = follow(down, EAST, LAW, T + 5 * SECOND)
    assert [share(back, T + 5 * SECOND + t) for t in (0, 999, 1_000, 2_000, 2_999, 3_000, 60_000)] == [
        70,
        70,
        80,
        90,
        90,
        100,
        100,
    ]


def test_a_second_rise_on_the_way_keeps_the_line_and_a_fall_leaves_at_once() -> None:
    one = follow(EAST, structs.replace(EAST, ready=1), LAW, T)
    two = follow(one, structs.replace(EAST, ready=2), LAW, T)
    four = follow(two, EAST, LAW, T + SECOND)
    assert [share(four, T + t * SECOND) for t in range(8)] == [35, 45, 55, 65, 75, 85, 95, 100]
    fallen = follow(four, structs.replace(EAST, ready=1), LAW, T + 4 * SECOND)
    assert share(fallen, T + 4 * SECOND) == 35
    again = follow(fallen, EAST, LAW, T + 9 * SECOND)
    assert [share(again, T + t * SECOND) for t in (9, 10, 11)] == [35, 45, 55]


def test_a_first_sight_is_no_return() -> None:
    assert follow(None, structs.replace(EAST, floor=5, since=5), LAW, T) == EAST


def test_a_healed_way_comes_back_by_the_ramp_and_a_dead_one_gets_nothing() -> None:
    def ruling(path: Standing, now: int) -> Ruling:
        return rule([WEST, EU], Case("us-east", LAW, {"us-west": path}, now))

    dead = ruling(Standing(up=False, since=T), T)
    assert (dead.of("us-west"), dead.standby) == (0, ())
    assert [ruling(Standing(since=T), T + t * SECOND).of("us-west") // 10_000 for t in (0, 1, 9, 10)] == [
        0,
        10,
        90,
        100,
    ]
    assert ruling(Standing(since=T), T).standby == ("us-west",)
    assert [ruling(Standing(since=T), T + t).until - T for t in (0, 1_500, 10_000)] == [1_000, 2_000, 0 - T]


@pytest.mark.parametrize(("loss", "expected"), [(0, 100), (9, 100), (10, 90), (30, 70), (100, 1)])
def test_loss_counts_from_ten_per_cent_up(loss: int, expected: int) -> None:
    ruling = rule([WEST, EU], Case("us-east", LAW, {"us-west": Standing(loss=loss)}, T))
    assert ruling.of("us-west") // 10_000 == expected


def test_what_a_ruling_says_of_itself() -> None:
    back = structs.replace(EAST, floor=500_000, since=T - SECOND)
    case = Case(
        "us-east", structs.replace(LAW, drain=("us-west",)), {"eu-central": Standing(up=False, since=T - 2_500)}, T
    )
    assert rule([back, WEST, EU], case).rules == (
        "us-east: 4 of 4 ready, cost 0, room for 80 % (comes back since 1.0 s; return 10 % per 1 s of 100 %)",
        "us-west: 4 of 4 ready, cost 60, drained",
        "eu-central: 4 of 4 ready, cost 90, the way there is down since 2.5 s",
        "together 80 % of what is needed: scaled up alike",
    )


def test_weights_take_the_place_of_order_and_cost() -> None:
    law = Policy(weights={"us-west": 3, "eu-central": 1}, order=("eu-central",))
    assert [(s.member, s.ppm) for s in rule([EAST, WEST, EU], Case("us-east", law)).shares] == [
        ("eu-central", 250_000),
        ("us-west", 750_000),
    ]
    gone = [structs.replace(c, ready=0) for c in (WEST, EU)]
    assert [(s.member, s.ppm) for s in rule([EAST, *gone], Case("us-east", law)).shares] == [("us-east", 1_000_000)]


def test_order_and_threshold() -> None:
    law = Policy(order=("eu-central", "us-west"), threshold=50)
    half, quarter = structs.replace(EAST, ready=2), structs.replace(EAST, ready=1)
    assert [(s.member, s.ppm) for s in rule([half, WEST, EU], Case("us-east", law)).shares] == [("us-east", 1_000_000)]
    assert [(s.member, s.ppm) for s in rule([quarter, WEST, EU], Case("us-east", law)).shares] == [
        ("us-east", 500_000),
        ("eu-central", 500_000),
    ]


def test_a_clock_that_was_set_back_holds_nothing_back() -> None:
    back = structs.replace(EAST, floor=0, since=T + 3_600_000)
    assert share(back, T) == 100
    case = Case("us-east", LAW, {"us-west": Standing(since=T + 3_600_000)}, T)
    assert rule([WEST, EU], case).of("us-west") == 1_000_000
