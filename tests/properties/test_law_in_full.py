"""Properties of the law with every one of its inputs."""

from collections.abc import Callable
from itertools import pairwise
from random import Random

from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from msgspec import structs

from federation.law.recovery import follow
from federation.law.room import PPM, drained
from federation.law.shares import Case, Ruling, rule, rule_live
from federation.law.terms import names
from federation.law.zones import zone_parts
from federation.model.handout import Candidate
from federation.model.moves import Leaving
from federation.model.names import MemberName
from federation.model.policy import Panic, Policy, Portion, Ramp
from tests.worlds.law_cases import NAMES, REGIONS, T, question

chances = st.randoms(use_true_random=False)
many = settings(derandomize=True, deadline=None, max_examples=400)


def at_rest(found: list[Candidate], case: Case) -> tuple[list[Candidate], Case]:
    """The same with nothing on its way back, away or lossy, and by order and room alone."""
    calm = [structs.replace(c, since=0, floor=0, leaving=None) for c in found]
    plain = structs.replace(case.policy, weights={}, least={}, most={}, canary=None, panic=Panic(), drain=())
    return calm, structs.replace(case, policy=plain, paths={}, shifts=())


@many
@given(chances)
def test_shares_sum_to_one_or_there_are_none(chance: Random) -> None:
    found, case = question(chance)
    ruling = rule(found, case)
    inside = [c for c in found if not case.policy.residency or c.region in case.policy.residency]
    assert sum(share.ppm for share in ruling.shares) == (PPM if ruling.shares else 0)
    assert all(share.ppm > 0 for share in ruling.shares)
    if case.policy.panic == Panic():
        assert bool(ruling.shares) == any(c.ready for c in inside)


@many
@given(chances)
def test_residency_holds_whatever_happens(chance: Random) -> None:
    found, case = question(chance)
    policy = structs.replace(case.policy, residency=tuple(chance.sample(REGIONS, 2)))
    case = structs.replace(case, policy=policy)
    region = {c.member: c.region for c in found}
    for ruling in (rule(found, case), rule_live(found, case)):
        assert {region[MemberName(name)] for name in members(ruling)} <= set(policy.residency)
    if any(c.region in policy.residency for c in found):
        assert rule_live(found, case).shares


def members(ruling: Ruling) -> set[str]:
    return {share.member for share in ruling.shares} | set(ruling.standby)


@many
@given(chances)
def test_nobody_who_may_not_gets_a_share(chance: Random) -> None:
    found, case = question(chance)
    if case.policy.panic.action == "open":
        case = structs.replace(case, policy=structs.replace(case.policy, panic=Panic()))
    inside = [c for c in found if not case.policy.residency or c.region in case.policy.residency]
    lives = {c.member for c in inside if c.ready and case.path(c.member).up and not drained(c, case.policy, case.now)}
    assert members(rule(found, case)) <= (lives or {c.member for c in inside if c.ready})


@many
@given(chances)
def test_the_same_in_any_order(chance: Random) -> None:
    found, case = question(chance)
    again = structs.replace(case, shifts=case.shifts[::-1], paths=dict(list(case.paths.items())[::-1]))
    assert rule(found[::-1], again) == rule(found, case)


@many
@given(chances)
@example(Random(54))
@example(Random(417))
@example(Random(774))
def test_nothing_changes_before_until(chance: Random) -> None:
    found, case = question(chance)
    ruling = rule(found, case)
    later = ruling.until - 1 if ruling.until else T + 10_000_000
    assert later >= T
    assert rule(found, structs.replace(case, now=later)).shares == ruling.shares


@many
@given(chances)
def test_nobody_is_over_capacity_while_another_has_room(chance: Random) -> None:
    """Room is what the design says, written down anew: 0.8 of the own capacity, grants, 1.4 x ready/total."""
    found, case = at_rest(*question(chance))
    case = structs.replace(case, demand=case.demand or 50)
    ruling = rule(found, case)
    inside = [c for c in found if c.ready and (not case.policy.residency or c.region in case.policy.residency)]
    shares = {c.member: ruling.of(c.member) * case.demand for c in inside}
    spare = [c.member for c in inside if shares[c.member] + case.demand < given_rps(c, case) * PPM]
    if spare:
        for c in inside:
            assert shares[c.member] <= given_rps(c, case) * PPM + case.demand, (c, spare)


def given_rps(c: Candidate, case: Case) -> float:
    """What a candidate is given, in requests per second, at most all."""
    capacity = c.capacity or case.policy.capacity
    readiness = min(1.0, c.ready / c.total * (100 / case.policy.threshold if case.policy.threshold else 1.4))
    if c.grant >= 0 and c.member != case.local:
        most = capacity * c.ready if capacity else readiness * case.demand
        return min(case.demand, c.grant, most)
    if not capacity:
        return readiness * case.demand
    filled = min(case.demand, 0.8 * capacity * c.ready)
    return filled if c.member == case.local else min(filled, readiness * case.demand)


@many
@given(chances)
def test_when_all_is_granted_the_own_member_is_filled_before_another_is_overloaded(chance: Random) -> None:
    found, case = at_rest(*question(chance))
    case = structs.replace(case, demand=10_000, local=found[0].member)
    own = structs.replace(found[0], capacity=50, ready=max(1, found[0].ready), total=max(1, found[0].total))
    found = [own, *found[1:]]
    assume(not case.policy.residency or own.region in case.policy.residency)
    ruling = rule(found, case)
    full = own.capacity * own.ready * PPM
    if ruling.of(own.member) * case.demand < full - case.demand:
        for c in (c for c in found[1:] if c.ready):
            assert ruling.of(c.member) * case.demand <= given_rps(c, case) * PPM + case.demand


@many
@given(chances)
def test_a_canary_gets_just_its_part(chance: Random) -> None:
    """A canary member that the law gives nothing to gets exactly what is asked for it, if it has the room."""
    found, _ = question(chance)
    assume(len(found) > 1)
    far = structs.replace(found[-1], leaving=None, since=0, ready=4, total=4, cost=9_999, region="far")
    near = structs.replace(found[0], leaving=None, since=0, ready=4, total=4, region="near")
    ppm = chance.choice((1_000, 2_500, 333_333))
    policy = Policy(canary=Portion(f"member/{far.member}", ppm))
    ruling = rule([near, far], Case(near.member, policy, now=T))
    assert (ruling.of(near.member), ruling.of(far.member)) == (PPM - ppm, ppm)


@many
@given(chances)
def test_bounds_that_can_be_met_are_met(chance: Random) -> None:
    found, case = question(chance)
    least = {region: chance.randint(0, 300_000) for region in REGIONS}
    most = {region: chance.randint(400_000, PPM) for region in REGIONS}
    policy = structs.replace(case.policy, least=least, most=most, residency=())
    case = structs.replace(case, policy=policy, shifts=())
    ruling = rule(found, case)
    by_region: dict[str, int] = {}
    for c in found:
        if c.member in members(ruling):
            by_region[c.region] = by_region.get(c.region, 0) + ruling.of(c.member)
    assume(sum(least[r] for r in by_region) <= PPM <= sum(most[r] for r in by_region))
    assert all(least[region] <= share <= most[region] for region, share in by_region.items())


@many
@given(chances)
def test_a_leaving_member_only_falls_and_ends_at_nothing(chance: Random) -> None:
    found, case = at_rest(*question(chance))
    assume(len(found) > 1)
    seconds = chance.randint(1, 600)
    going = structs.replace(found[0], ready=3, total=3, leaving=Leaving(T, seconds))
    stays = structs.replace(found[1], ready=3, total=3)
    case = structs.replace(case, policy=structs.replace(case.policy, residency=()))
    series = [share_of(going.member, [going, stays], case, T + at * seconds * 100) for at in range(11)]
    assert series == sorted(series, reverse=True)
    assert series[-1] == 0
    if not case.demand:
        before = share_of(going.member, [structs.replace(going, leaving=None), stays], case, T)
        assert max(a - b for a, b in pairwise([before, *series])) <= PPM // 10 + 10


def share_of(member: str, found: list[Candidate], case: Case, now: int) -> int:
    return rule(found, structs.replace(case, now=now)).of(member)


@settings(derandomize=True, deadline=None, max_examples=150)
@given(chances)
def test_a_return_under_capacity_is_monotone_and_never_faster_than_the_ramp(chance: Random) -> None:
    """Whatever readiness does: each rise of the share stays within one step of the ramp an interval."""
    percent, seconds, pause = chance.randint(1, 50), chance.randint(1, 5), chance.randint(200, 3_000)
    demand, capacity = chance.randint(50, 1_000), chance.randint(5, 100)
    policy = Policy(ramp=Ramp(percent, seconds))
    other = Candidate(member=MemberName("b"), region="b", cost=60, ready=8, total=8, capacity=500)
    local: Candidate | None = None
    share, now, ready = None, T, 8
    for _ in range(chance.randint(2, 12)):
        fresh = Candidate(member=MemberName("a"), region="a", cost=0, ready=ready, total=8, capacity=capacity)
        local = follow(local, fresh, policy, now, demand=demand, own=True)
        for moment in range(now, now + pause, 100):
            new = rule([local, other], Case("a", policy, now=moment, demand=demand)).of("a")
            if share is not None and new > share:
                assert new - share <= percent * (PPM // 100) + 10
            share = new
        now += pause
        ready = chance.randint(0, 8)


@settings(derandomize=True, deadline=None, max_examples=150)
@given(chances)
def test_after_a_drain_is_taken_back_it_comes_back_by_the_ramp(chance: Random) -> None:
    """From what was left of it, which is nothing at the drain's end, and never with a jump upwards."""
    policy, total = Policy(ramp=Ramp(10, 1), threshold=chance.choice((0, 50, 100))), chance.randint(1, 9)
    whole = Candidate(member=MemberName("a"), region="a", cost=0, ready=total, total=total)
    other = Candidate(member=MemberName("b"), region="b", cost=60, ready=8, total=8)
    leaving = structs.replace(whole, leaving=Leaving(T, 100))
    undrained = T + chance.randint(0, 110_000)
    before = rule([leaving, other], Case("a", policy, now=undrained)).of("a")
    back = follow(leaving, whole, policy, undrained)
    series = [rule([back, other], Case("a", policy, now=undrained + t * 1_000)).of("a") for t in range(11)]
    assert series[0] <= before
    assert series == sorted(series)
    assert series[-1] == PPM
    assert max(b - a for a, b in pairwise(series)) <= PPM // 10


@many
@given(st.dictionaries(st.sampled_from(NAMES), st.integers(0, 50), max_size=6), st.sampled_from(NAMES), chances)
def test_2_5_zones_load_every_endpoint_alike_while_agents_ask_alike(
    ready: dict[str, int], own: str, chance: Random
) -> None:
    agents = {zone: chance.randint(1, 20) for zone, count in ready.items() if count}
    policy = Policy(order=("@az",))
    parts = zone_parts(ready, own, agents, policy)
    assert sum(parts.values()) == (PPM if agents else 0)
    total, asking = sum(ready.values()), sum(agents.values())
    for zone in agents:
        load = sum(zone_parts(ready, at, agents, policy)[zone] * count for at, count in agents.items())
        assert abs(load - asking * PPM * ready[zone] // total) <= asking * len(agents)
    if own in agents and ready[own] * asking >= agents[own] * total:
        assert parts[own] == PPM


TERMS: dict[str, Callable[[Candidate], bool]] = {
    "r1": lambda c: c.region == "r1",
    "member/b": lambda c: c.member == "b",
    "label/tier=gold": lambda c: c.labels.get("tier") == "gold",
    "@region": lambda c: c.region == "r0",
    "@az": lambda _: False,
}


@many
@given(chances)
def test_a_term_names_just_these(chance: Random) -> None:
    found, _ = question(chance)
    for term, means in TERMS.items():
        assert [names(term, c, "r0") for c in found] == [means(c) for c in found]
