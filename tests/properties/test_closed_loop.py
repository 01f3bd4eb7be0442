"""A closed loop in virtual time: shares make load, load makes round trips and failing probes, these make shares.

Load has 20 % noise and everything that is seen is half a second old. After one step no share may swing back and forth.
"""

import random
from collections import deque
from collections.abc import Callable
from itertools import pairwise

import pytest

from federation.health.verdict import Limits, Verdict, observe
from federation.law.recovery import follow
from federation.law.shares import Case, rule
from federation.model.handout import Candidate
from federation.model.names import MemberName
from federation.model.policy import Policy, Ramp
from federation.plan.cost import settled_cost
from gateways.probe.paths import Now, Paths

T = 1_700_000_000_000
TICK = 0.1
DELAY = 5
"""Ticks between what is and what the law sees."""

NOISE = 0.2
ENDPOINTS = 4
DEMAND = 2.4
"""What each region's own clients ask for, in endpoints' worth of work: 0.6 of what four endpoints do."""

BREAKS_AT = 1.5
"""An endpoint that is given so much of its capacity fails its probe."""

BASE = {"us-east": 0.0, "us-west": 0.060, "eu-central": 0.090}
LAW = Policy(ramp=Ramp(10, 1))
POINTS = 20_000


class Region:
    """Endpoints that fail their probes when overloaded, behind a link that gets slower with load."""

    def __init__(self, name: str, chance: random.Random) -> None:
        self.name, self.chance = MemberName(name), chance
        self.up = ENDPOINTS
        self.verdicts = [Verdict(up=True)] * ENDPOINTS
        self.load = DEMAND

    def ready(self) -> int:
        return sum(1 for verdict in self.verdicts[: self.up] if verdict.up)

    def take(self, load: float, now: int) -> None:
        """Work comes in; each endpoint is probed."""
        self.load = load * (1 + self.chance.uniform(-NOISE, NOISE))
        each = self.load / max(1, self.ready())
        self.verdicts = [observe(v, each < BREAKS_AT, now, Limits(fall=3, rise=2)) for v in self.verdicts]

    def rtt(self) -> float:
        """Queueing grows with use of the region."""
        use = min(0.95, self.load / ENDPOINTS)
        return BASE[self.name] * (1 + 0.1 * use / (1 - use) * self.chance.uniform(0, NOISE)) + 0.001


class Loop:
    """us-east's clients under the law, tick by tick."""

    def __init__(self, seed: int) -> None:
        chance = random.Random(seed)
        self.regions = {name: Region(name, chance) for name in BASE}
        self.cut: set[str] = set()
        self.paths = Paths()
        self.costs: dict[str, int] = {}
        self.seen: dict[str, Candidate] = {}
        self.old: deque[dict[str, int]] = deque(maxlen=DELAY)
        self.flying: list[tuple[float, str, int]] = []
        self.history: list[dict[str, int]] = []
        self.shares = {"us-east": 1_000_000}
        self.time = 0.0

    def tick(self) -> None:
        now = Now(round(self.time, 3), T + round(self.time * 1_000))
        for name, region in self.regions.items():
            own = 0.0 if name == "us-east" else DEMAND
            region.take(own + DEMAND * self.shares.get(name, 0) / 1_000_000, now.wall_ms)
        self._probe(now)
        self.old.append({name: region.ready() for name, region in self.regions.items()})
        self.shares = self._ruled(now)
        self.history.append(self.shares)
        self.time += TICK

    def run(self, seconds: float) -> None:
        for _ in range(round(seconds / TICK)):
            self.tick()

    def _probe(self, now: Now) -> None:
        for landed in [one for one in self.flying if one[0] <= now.seconds]:
            self.flying.remove(landed)
            self.paths.answered(landed[1], landed[2], Now(landed[0], T + round(landed[0] * 1_000)))
        self.paths.judge(now)
        wanted = {name: self.shares.get(name, 0) > 0 for name in BASE if name != "us-east"}
        sequence, due = self.paths.begin(wanted, now)
        for name in due:
            self.paths.sent(name, sequence, now)
            self.paths.plan(name, wanted[name], now)
            if name not in self.cut:
                self.flying.append((now.seconds + self.regions[name].rtt(), name, sequence))

    def _ruled(self, now: Now) -> dict[str, int]:
        ready, found, ways = self.old[0], [], {}
        for name in BASE:
            measured = 0 if name == "us-east" else self.paths.trip(name, now.seconds).rtt_us
            if measured >= 0:
                self.costs[name] = settled_cost(self.costs.get(name), measured)
            fresh = Candidate(
                member=MemberName(name),
                region=name,
                cost=self.costs.get(name, 1_000),
                ready=ready[name],
                total=ENDPOINTS,
            )
            self.seen[name] = follow(self.seen.get(name), fresh, LAW, now.wall_ms)
            found.append(self.seen[name])
            ways[name] = self.paths.standing(name)
        ruling = rule(found, Case("us-east", LAW, ways, now.wall_ms))
        return {share.member: share.ppm for share in ruling.shares}


def reversals(series: list[int]) -> int:
    """How often a series turns round by more than two points."""
    turns, direction, extreme = 0, 0, series[0]
    for value in series:
        if (direction >= 0 and value > extreme) or (direction <= 0 and value < extreme):
            direction = direction or (1 if value > extreme else -1)
            extreme = value
        elif abs(value - extreme) > POINTS:
            turns += 1
            direction, extreme = -direction, value
    return turns


def test_reversals_are_counted() -> None:
    assert reversals([0, 50_000, 100_000]) == 0
    assert reversals([0, 100_000, 90_000, 100_000]) == 0
    assert reversals([0, 100_000, 50_000, 100_000]) == 2


def endpoints(loop: Loop, name: str, count: int) -> None:
    loop.regions[name].up = count


STEPS: dict[str, Callable[[Loop], None]] = {
    "half of the endpoints go": lambda loop: endpoints(loop, "us-east", 2),
    "three of four endpoints go": lambda loop: endpoints(loop, "us-east", 1),
    "all endpoints go": lambda loop: endpoints(loop, "us-east", 0),
    "the nearest region is cut off while it helps": lambda loop: loop.cut.add("us-west"),
}


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("seed", range(8))
def test_after_one_step_no_share_swings(step: str, seed: int) -> None:
    loop = Loop(seed)
    if "while it helps" in step:
        endpoints(loop, "us-east", 1)
    loop.run(20)
    begin = len(loop.history)
    STEPS[step](loop)
    loop.run(40)
    for name in BASE:
        series = [shares.get(name, 0) for shares in loop.history[begin:]]
        assert reversals(series) <= 1, name
        assert max(map(abs, (b - a for a, b in pairwise(series[-100:])))) <= POINTS


@pytest.mark.parametrize("seed", range(8))
def test_a_return_climbs_once_and_ends_where_it_began(seed: int) -> None:
    loop = Loop(seed)
    loop.run(10)
    endpoints(loop, "us-east", 1)
    loop.cut.add("us-west")
    loop.run(30)
    begin = len(loop.history)
    endpoints(loop, "us-east", ENDPOINTS)
    loop.cut.clear()
    loop.run(40)
    for name in BASE:
        assert reversals([shares.get(name, 0) for shares in loop.history[begin:]]) <= 1, name
    assert loop.history[-1] == {"us-east": 1_000_000}
