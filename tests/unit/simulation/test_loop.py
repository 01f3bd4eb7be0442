"""The closed loop: nothing swings, nobody is overloaded while there is room, returns are slow; undamped it does swing."""

from functools import cache
from itertools import groupby, pairwise

import pytest
from msgspec import structs

from federation.model.policy import Policy
from federation.simulation.importer import SYNC_MS
from federation.simulation.loop import REPORT_MS, TICK_MS, run
from federation.simulation.scenarios import BEGIN, END, LENGTH, SCENARIOS
from federation.simulation.trace import Moment, Trace, findings, uses
from federation.simulation.world import USUAL, Event, World, undamped

SEEDS = (1, 2)
NAMES = [one.name for one in USUAL.members]
TURNS = {"flapping": 1, "noisy": 12, "slow-endpoint": 10, "lossy-link": 10}
"""Where evidence itself goes on changing; elsewhere a share may go too far once and come back."""


@cache
def traced(name: str, seed: int = 1) -> Trace:
    return under(structs.replace(USUAL, seed=seed), name)


def under(world: World, name: str) -> Trace:
    return run(world, SCENARIOS[name].happens(world.members), LENGTH)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", SCENARIOS)
def test_no_share_swings(name: str, seed: int) -> None:
    for one in findings(traced(name, seed)):
        assert one.turns <= (0 if one.what == "at rest" else TURNS.get(name, 2)), one
    last = traced(name, seed).moments[-200:]
    for clients in NAMES:
        for member in NAMES:
            series = [moment.shares[clients].get(member, 0) for moment in last]
            assert max(series) - min(series) <= 20_000


@pytest.mark.parametrize("name", ["overload", "noisy", "slow-endpoint", "region-dies", "drain"])
def test_the_same_without_ramps_and_smoothing_does_swing(name: str) -> None:
    assert max(one.turns for one in findings(under(undamped(USUAL), name))) >= 20


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", SCENARIOS)
def test_nobody_is_overloaded_while_others_gave_room_for_longer_than_a_period_of_grants(name: str, seed: int) -> None:
    """As far as is known: `ready` endpoints, each with the capacity that it is said to have. A surge is known after the
    agents' report of a second, what is told takes a period, and the way to the farthest.
    """
    longest = [len(list(run)) for over, run in groupby(traced(name, seed).moments, avoidable) if over]
    farthest = max(USUAL.rtt.values()) // 2 + SYNC_MS
    assert max(longest, default=0) * TICK_MS <= USUAL.period * 1_000 + REPORT_MS + 2 * farthest


def avoidable(moment: Moment) -> bool:
    """Somebody sends to a member more than it can take, who was given room elsewhere."""
    over = [one.name for one in USUAL.members if moment.load[one.name] > moment.ready[one.name] * one.capacity]
    return any(
        moment.shares[clients].get(name, 0)
        and sum(max(0, room) for member, room in moment.spare[clients].items() if member != name) > 20_000
        for name in over
        for clients in NAMES
    )


def test_an_overload_that_could_be_avoided_is_found() -> None:
    calm = traced("overload").moments[0]
    assert not avoidable(calm)
    assert avoidable(
        structs.replace(calm, load={**calm.load, "us-east": 5_000.0}, spare={n: {"eu-central": 900_000} for n in NAMES})
    )


@pytest.mark.parametrize("seed", SEEDS)
def test_a_return_takes_its_ramp(seed: int) -> None:
    trace = traced("service-dies", seed)
    back = trace.series("us-east", "us-east", END)
    assert back[0] == 0
    assert back[-1] == 1_000_000
    assert max(b - a for a, b in pairwise(back)) <= 100_000
    assert back.index(1_000_000) * trace.tick >= 90


@pytest.mark.parametrize("seed", SEEDS)
def test_a_dead_service_costs_what_its_probes_take_to_find_out(seed: int) -> None:
    """Three probes a second apart and the way of the word: after 5 s nothing fails any more."""
    moments = traced("service-dies", seed).moments
    assert sum(m.failed for m in moments if BEGIN <= m.at < BEGIN + 5) > 0
    assert sum(m.failed for m in moments if not BEGIN <= m.at < BEGIN + 5) == 0


@pytest.mark.parametrize("seed", range(1, 5))
@pytest.mark.parametrize("after", [0, 250, 500, 900])
def test_a_surge_hurts_for_a_report_and_a_period_of_grants_whenever_it_comes(seed: int, after: int) -> None:
    """Two and a half times the load: for 1.3 to 2.2 s over capacity at 142 %, where the average of 10 s alone took 5
    to 7 s at up to 442 %; queues hold that, and no request fails.
    """
    events = [structs.replace(one, at=one.at + after / 1_000) for one in SCENARIOS["overload"].happens(USUAL.members)]
    trace = run(structs.replace(USUAL, seed=seed), events, BEGIN + 20)
    assert sum(m.failed for m in trace.moments) == 0
    assert 0 < overloaded(trace) * TICK_MS <= 2_300
    assert max(use for moment in trace.moments for use in uses(moment)) <= 1.5


def overloaded(trace: Trace) -> int:
    return sum(moment.load["us-east"] > 1_000 for moment in trace.moments)


def test_a_run_is_the_same_every_time_and_another_seed_is_another_run() -> None:
    short = [Event(2, "demand", "us-east", 200)]
    first, again = (run(USUAL, short, 10) for _ in range(2))
    assert first == again
    assert run(structs.replace(USUAL, seed=2), short, 10).moments != first.moments


def test_the_policy_is_obeyed() -> None:
    trace = under(structs.replace(USUAL, policy=Policy(residency=("us-east", "us-west"))), "service-dies")
    assert not any(trace.series("us-east", "eu-central"))
    assert any(use > 1 for moment in trace.moments for use in uses(moment))


def test_without_capacities_shares_follow_readiness() -> None:
    untold = structs.replace(USUAL, told=False)
    trace = run(untold, [Event(5, "endpoints", "us-east", 5)], 20)
    assert trace.series("us-east", "us-east")[100] == 700_000


def test_what_is_cut_off_is_found_by_probes_of_the_way() -> None:
    trace = run(USUAL, [Event(5, "cut", "us-east"), Event(12, "heal", "us-east")], 30)
    assert trace.series("us-west", "us-east", 4, 5)[-1] > 0
    assert not any(trace.series("us-west", "us-east", 6.5, 12))
    assert trace.series("us-west", "us-east")[-1] > 0
