"""Residency, panic, canaries, bounds, shifts and drains over time: tables with the exact shares and words."""

import pytest
from msgspec import structs

from federation.law.case import Case
from federation.law.recovery import follow
from federation.law.shares import Ruling, rule, rule_live
from federation.model.handout import Candidate
from federation.model.moves import Leaving, Shift
from federation.model.names import MemberName, ServiceKey
from federation.model.policy import Panic, Policy, Portion, Ramp
from federation.model.standing import Standing

T = 1_700_000_000_000
EAST = Candidate(member=MemberName("us-east"), region="us-east", cost=0, ready=4, total=4)
WEST = Candidate(member=MemberName("us-west"), region="us-west", cost=60, ready=4, total=4)
EU = Candidate(member=MemberName("eu-central"), region="eu-central", cost=90, ready=4, total=4)
ALL = (EAST, WEST, EU)
DOWN = {"eu-central": Standing(up=False, since=T - 1_000)}


def shares(ruling: Ruling) -> dict[str, float]:
    return {share.member: share.ppm / 10_000 for share in ruling.shares}


def ruled(policy: Policy, *candidates: Candidate) -> Ruling:
    return rule(candidates or ALL, Case("us-east", policy, now=T))


def ready(candidate: Candidate, count: int) -> Candidate:
    return structs.replace(candidate, ready=count)


def test_residency_is_hard() -> None:
    policy = Policy(residency=("eu-central",))
    assert shares(ruled(policy)) == {"eu-central": 100}
    dead = rule(ALL, Case("us-east", policy, DOWN, T))
    assert shares(dead) == {"eu-central": 100}
    assert dead.rules == (
        "us-east: 4 of 4 ready, cost 0, outside the residency",
        "us-west: 4 of 4 ready, cost 60, outside the residency",
        "eu-central: 4 of 4 ready, cost 90, the way there is down since 1.0 s",
        "every way is down: evidence is left aside",
        "eu-central takes 100 % (next by cost)",
    )
    none = ruled(policy, EAST, WEST)
    assert (none.shares, none.standby) == ((), ())
    assert none.rules[-1] == "no member within the residency (eu-central) offers it: no shares"
    assert rule_live((EAST, WEST), Case("us-east", policy)).shares == ()


def test_2_3_a_full_outage_sprays_nowhere_unless_the_policy_opens() -> None:
    gone = tuple(ready(c, 0) for c in ALL)
    assert ruled(Policy(), *gone).shares == ()
    opened = ruled(Policy(panic=Panic("open")), *gone)
    assert shares(opened) == {"us-east": 100}
    assert opened.rules[3] == "nobody is ready: open, as if every endpoint were ready"
    spare = ruled(Policy(panic=Panic("fallback", fallback="spare")), *gone)
    assert (spare.shares, spare.fallback, spare.standby) == ((), "spare", ())
    assert spare.rules[-1] == "nobody is ready: service spare takes the requests"


@pytest.mark.parametrize(
    ("action", "expected", "said"),
    [
        ("open", {"us-east": 100}, "panic: 2 of 12 endpoints ready, below 25 %: open, as if every endpoint were ready"),
        ("closed", {}, "panic: 2 of 12 endpoints ready, below 25 %: no shares"),
        ("fallback", {}, "panic: 2 of 12 endpoints ready, below 25 %: service spare takes the requests"),
    ],
)
def test_panic_below_a_part_of_ready_endpoints(action: str, expected: dict[str, float], said: str) -> None:
    policy = Policy(panic=Panic(action, 25, "spare"))  # type: ignore[arg-type]
    few = (ready(EAST, 1), ready(WEST, 1), ready(EU, 0))
    assert shares(ruled(policy, *few)) == expected
    assert said in ruled(policy, *few).rules
    enough = ruled(policy, ready(EAST, 2), ready(WEST, 1), ready(EU, 0))
    assert (shares(enough), enough.fallback) == ({"us-east": 70, "us-west": 30}, "")


def test_the_drained_do_not_count_for_a_panic_and_the_unreachable_do_not_count_as_ready() -> None:
    closed = Policy(panic=Panic("closed", 50))
    away = structs.replace(ready(EU, 0), total=40, leaving=Leaving(T - 1_000))
    assert shares(ruled(closed, EAST, away)) == {"us-east": 100}
    assert rule((ready(EAST, 1), EU), Case("us-east", closed, DOWN, T)).shares == ()


def test_a_public_name_fails_open_whatever_the_panic_says() -> None:
    gone = tuple(ready(c, 0) for c in ALL)
    for panic in (Panic(), Panic("closed", 50), Panic("fallback", 50, "spare")):
        ruling = rule_live(gone, Case("us-east", Policy(panic=panic)))
        assert (shares(ruling), ruling.fallback) == ({"us-east": 100}, "")
        assert "fail open: each target as if ready" in ruling.rules


def test_a_canary_first_to_a_tenth_of_a_per_cent() -> None:
    policy = Policy(canary=Portion("eu-central", 1_000))
    assert shares(ruled(policy)) == {"us-east": 99.9, "eu-central": 0.1}
    assert "canary eu-central: 0.1 % first" in ruled(policy).rules
    own = Policy(canary=Portion("us-east", 50_000))
    assert shares(ruled(own, ready(EAST, 2), WEST)) == {"us-east": 70, "us-west": 30}
    short = ruled(Policy(canary=Portion("member/eu-central", 500_000)), EAST, ready(EU, 1))
    assert shares(short) == {"us-east": 65, "eu-central": 35}
    assert "canary member/eu-central: 35 % first, of 50 % asked" in short.rules
    assert "canary mars: 0 % first, of 5 % asked" in ruled(Policy(canary=Portion("mars", 50_000))).rules


@pytest.mark.parametrize(
    ("least", "most", "expected", "said"),
    [
        (
            {"eu-central": 50_000},
            {},
            {"us-east": 95, "eu-central": 5},
            "region eu-central: 0 % by the law, 5 % by least and most shares",
        ),
        (
            {},
            {"us-east": 600_000},
            {"us-east": 60, "us-west": 40},
            "region us-west: 0 % by the law, 40 % by least and most shares",
        ),
        (
            {"us-east": 800_000, "us-west": 800_000},
            {},
            {"us-east": 50, "us-west": 50},
            "least shares sum to 160 %: met as far as they can be",
        ),
        (
            {},
            {"us-east": 100_000, "us-west": 200_000, "eu-central": 100_000},
            {"us-east": 25, "us-west": 50, "eu-central": 25},
            "most shares of those left sum to 40 %: met as far as they can be",
        ),
        (
            {"us-west": 300_000},
            {"us-west": 200_000},
            {"us-east": 80, "us-west": 20},
            "region us-west: 0 % by the law, 20 % by least and most shares",
        ),
    ],
)
def test_bounds_of_regions_shares(
    least: dict[str, int], most: dict[str, int], expected: dict[str, float], said: str
) -> None:
    ruling = ruled(Policy(least=least, most=most))
    assert shares(ruling) == expected
    assert said in ruling.rules


def test_a_bound_gives_nothing_to_whom_nothing_may_go() -> None:
    policy = Policy(least={"eu-central": 500_000}, most={"us-east": 0})
    assert shares(ruled(policy, EAST, ready(EU, 0))) == {"us-east": 100}


def shift(ppm: int, seconds: int = 0, to: Candidate = WEST, since: int = T) -> Shift:
    return Shift(
        service=ServiceKey("shop", "web"), source=EAST.member, to=to.member, ppm=ppm, since=since, seconds=seconds
    )


@pytest.mark.parametrize(
    ("shifts", "west", "expected", "said"),
    [
        ((shift(300_000),), WEST, {"us-east": 70, "us-west": 30}, "shift from us-east to us-west: 30 %"),
        ((shift(300_000, 100),), WEST, {"us-east": 97, "us-west": 3}, "shift from us-east to us-west: 3 %"),
        (
            (shift(300_000, 100, since=T - 45_000),),
            WEST,
            {"us-east": 85, "us-west": 15},
            "shift from us-east to us-west: 15 %",
        ),
        (
            (shift(500_000),),
            ready(WEST, 1),
            {"us-east": 65, "us-west": 35},
            "shift from us-east to us-west: 35 % of 50 %; us-west has no room for more",
        ),
        (
            (shift(500_000),),
            ready(WEST, 0),
            {"us-east": 100},
            "shift from us-east to us-west: 0 % of 50 %; us-west may not get requests now",
        ),
        (
            (shift(600_000), shift(600_000, to=EU)),
            WEST,
            {"us-west": 40, "eu-central": 60},
            "shift from us-east to us-west: 40 %",
        ),
    ],
)
def test_shifts(shifts: tuple[Shift, ...], west: Candidate, expected: dict[str, float], said: str) -> None:
    ruling = rule((EAST, west, EU), Case("us-east", now=T, shifts=shifts))
    assert shares(ruling) == expected
    assert said in ruling.rules


def test_a_shift_goes_on_when_the_ruling_says() -> None:
    case = Case("us-east", now=T + 1, shifts=(shift(300_000, 100),))
    assert rule(ALL, case).until == T + 10_000
    assert rule(ALL, structs.replace(case, now=T + 90_000)).until == 0


def test_a_drain_is_an_age_in_ten_steps_and_never_takes_the_last() -> None:
    going = structs.replace(EAST, leaving=Leaving(T, 100))

    def at(seconds: int) -> float:
        return shares(rule((going, WEST), Case("us-east", now=T + seconds * 1_000))).get("us-east", 0)

    assert [at(t) for t in (0, 9, 10, 50, 89, 90, 500)] == [90, 90, 80, 40, 10, 0, 0]
    ruling = rule((going, WEST), Case("us-east", now=T + 10_000))
    assert ruling.until == T + 20_000
    assert ruling.rules[0] == (
        "us-east: 4 of 4 ready, cost 0, room for 80 % (leaves, 2 of 10 steps done; return 10 % per 10 s of 100 %)"
    )
    alone = rule((going, ready(WEST, 0)), Case("us-east", now=T + 100_000))
    assert shares(alone) == {"us-east": 100}
    assert "only drained members can be reached: the drain is left aside" in alone.rules


def test_after_its_drain_a_member_comes_back_by_the_ramp_from_nothing() -> None:
    policy = Policy(ramp=Ramp(10, 1))
    back = follow(structs.replace(EAST, leaving=Leaving(T - 1)), EAST, policy, T)
    assert (back.floor, back.since) == (0, T)
    assert [
        shares(rule((back, WEST), Case("us-east", policy, now=T + t * 1_000))).get("us-east", 0) for t in (0, 1, 9, 10)
    ] == [0, 10, 90, 100]
