"""Load is steered: the own member to 0.8 of what it can take, the next two by their grants, and home again; prices, a
canary and residency. Every member has one endpoint of web that can take CAPACITY requests a second, and clients stand
in East.
"""

import time
from collections.abc import Callable, Iterator
from functools import partial

from federation.lab import errors, look, manifests, process
from federation.lab.cluster import cluster_of
from federation.lab.look import Answer
from federation.lab.manifests import Return
from federation.lab.state import Lab
from federation.lab.step import Step, attempted
from federation.lab.story.measure import by_member, noise
from federation.lab.story.scene import CENTRAL, EAST, SETTLE_SECONDS, WEST, Scene
from federation.lab.story.seen import (
    CAPACITY,
    KEY,
    LOW,
    MORE,
    MOST,
    ROOM,
    TOLERANCE,
    Window,
    counted,
    current,
    mapped,
    steady,
    surged,
    ungranted,
)
from federation.lab.topology import WEB, Topology

BACK = Return(percent=100, seconds=1)
PACED = ("--timeout", "2", "--keep")
HOME_SECONDS = 45.0
CANARY_PERCENT = 1.0
CANARY_CLIENTS, CANARY_EACH, CANARY_LEAST = 10, 500, 2_000
PRICES = {"prices": [{"from": WEST, "to": EAST, "perGB": 0.2}], "priceMs": 500}
"""West costs 60 ms of round trip and as much as 100 ms more, Central 90 ms."""
STEADY = 20


def steering(lab: Lab, topology: Topology, say: Callable[[str], None], up_seconds: float | None) -> Iterator[Step]:
    """The story in a lab that is up."""
    if lab.rtt_ms is not None:
        raise errors.bad_argument("the steering story has round trips of its own: raise the lab without --rtt")
    scene = Scene(lab, topology, BACK)
    say(f"each member can take {CAPACITY} requests a second and is filled to {ROOM}; clients stand in {EAST}")
    yield from attempted(lab, offered, lambda: offered(scene, up_seconds))
    for act in (at_home, by_grants, priced, residency, canary):
        yield from attempted(lab, act, partial(act, scene))


def offered(scene: Scene, up_seconds: float | None) -> list[Step]:
    """lab: every program runs, and every member offers one endpoint with its capacity."""
    for name in scene.topology.names:
        cluster_of(scene.lab, name).only(
            [
                manifests.policy(BACK, WEB, capacity=CAPACITY),
                manifests.endpoints([manifests.Listed(scene.member(name).pods(WEB)[0])], WEB),
                manifests.access(manifests.CLIENTS, WEB),
                manifests.exported(WEB),
            ]
        )
    process.wait_for(scene.lab, lambda: ungranted(scene), SETTLE_SECONDS)
    current(scene)
    took = "was up already" if up_seconds is None else f"up in {up_seconds:.1f} s"
    expected = f"every member has one endpoint of {KEY} and grants the others of its {ROOM} requests a second"
    return [Step("lab", expected, f"{len(scene.lab.programs)} programs run, {took}", True)]


def at_home(scene: Scene) -> list[Step]:
    """1 home: fewer requests than the own member has room for stay there."""
    with look.recording(scene.lab, EAST, "--rate", str(LOW), *PACED) as answers:
        time.sleep(STEADY / LOW + 4.0)
    return [counted("1 home", answers, {EAST: 1_000_000}, f"all of {LOW} a second")]


def by_grants(scene: Scene) -> list[Step]:
    """2 grants: what the own member cannot take goes to the next and then the third, and comes home."""
    with look.recording(scene.lab, EAST, "--rate", str(LOW), *PACED) as first:
        with look.recording(scene.lab, EAST, "--rate", str(MORE - LOW), *PACED) as second:
            more = steady(scene, MORE, (first, second), (EAST, WEST))
            surge = surged((*first, *second), min(one["t"] for one in second))
            with look.recording(scene.lab, EAST, "--rate", str(MOST - MORE), *PACED) as third:
                most = steady(scene, MOST, (first, second, third), (EAST, WEST, CENTRAL))
                on_map = mapped(scene, (first, second, third), HOME_SECONDS)
        fell = time.time()
        home = _home(first, fell)
    failed = [one for answers in (first, second, third) for one in answers if not one["ok"]]
    total = len(first) + len(second) + len(third)
    said = f"{len(failed)} of {total}" + (f" ({look.told(failed[0])})" if failed else "")
    return [
        _taken("2 next", MORE, more),
        surge,
        _taken("2 third", MOST, most),
        on_map,
        home,
        Step("2 no failure", "0 failed while load rose and fell", said, not failed),
    ]


def _taken(name: str, rate: int, window: Window) -> Step:
    """East has its room, never more than its capacity, and each gets what is stated."""
    stated, answers = window
    held = stated.get(EAST, 0) * rate / 1_000_000
    row = counted(name, answers, stated, f"{EAST} its room of {ROOM} of {rate} a second")
    good = row.ok and ROOM * (1 - TOLERANCE) <= held <= CAPACITY
    return Step(row.name, row.expected, f"{row.measured}; {EAST} is given {held:.0f} a second", good)


def _home(answers: list[Answer], fell: float) -> Step:
    """Load fell: the last STEADY answers are East's."""
    end, took = fell + HOME_SECONDS, float("inf")
    while time.time() < end and took == float("inf"):
        time.sleep(process.POLL_SECONDS)
        last = answers[-STEADY:]
        if last[0]["t"] > fell and all(one["member"] == EAST for one in last):
            took = last[0]["t"] - fell
    expected = f"back to {LOW} a second: all come home, slowly, within {HOME_SECONDS:g} s"
    return Step("2 home again", expected, f"all by {EAST} after {took:.0f} s", took <= HOME_SECONDS)


def priced(scene: Scene) -> list[Step]:
    """3 prices: traffic from West costs money, so what East cannot take goes to Central first."""
    cluster_of(scene.lab, EAST).put(manifests.policy(BACK, WEB, capacity=CAPACITY, **PRICES))
    with look.recording(scene.lab, EAST, "--rate", str(MORE), *PACED) as answers:
        window = steady(scene, MORE, (answers,), (EAST, CENTRAL))
    return [_taken("3 prices", MORE, window)]


def residency(scene: Scene) -> list[Step]:
    """4 residency: East's endpoint dies and requests that may not leave are answered 503, none elsewhere."""
    cluster_of(scene.lab, EAST).put(manifests.policy(BACK, WEB, capacity=CAPACITY, residency=[EAST]))
    scene.settle({EAST: 1_000_000}, WEB, EAST)
    with look.recording(scene.lab, EAST, "--rate", str(LOW), *PACED) as answers:
        _until(answers, 200, "before")
        scene.offer(EAST, WEB, 0, 1)
        refused = _until(answers, 503, "while it is dead")
        scene.offer(EAST, WEB, 1, 1)
        served = _until(answers, 200, "when it is back")
    elsewhere = sum(one["member"] not in ("", EAST) for one in answers)
    other = sum(one["status"] not in (200, 503) for one in answers)
    measured = (
        f"503 after {refused:.1f} s, served after {served:.1f} s; {elsewhere} of {len(answers)} left {EAST}, "
        f"{other} had another end"
    )
    expected = f"503 while {EAST}'s endpoint is dead, served when it is back, none leaves {EAST}"
    return [Step("4 residency", expected, measured, not elsewhere and not other)]


def canary(scene: Scene) -> list[Step]:
    """5 canary: one per cent goes to Central, the rest stays at home."""
    for name in scene.topology.names:
        cluster_of(scene.lab, name).put(manifests.policy(BACK, WEB))
    tried = {"to": CENTRAL, "percent": CANARY_PERCENT}
    cluster_of(scene.lab, EAST).put(manifests.policy(BACK, WEB, canary=tried))
    part = int(CANARY_PERCENT * 10_000)
    scene.settle({EAST: 1_000_000 - part, CENTRAL: part}, WEB, EAST)
    answers = look.fetch(scene.lab, EAST, CANARY_EACH, "--parallel", str(CANARY_CLIENTS), "--keep")
    by, total = by_member(answers), len(answers)
    bound = noise(CANARY_PERCENT, total)
    share = 100 * by.get(CENTRAL, 0) / max(1, total)
    good = by.keys() == {EAST, CENTRAL} and abs(share - CANARY_PERCENT) <= bound
    expected = f"{CENTRAL} {CANARY_PERCENT:g} % within {bound:.2f} points (three standard deviations), 0 failed"
    return [Step("5 canary", expected, f"{CENTRAL} {share:.2f} %, {by}", good and total >= CANARY_LEAST)]


def _until(answers: list[Answer], status: int, when: str) -> float:
    """Seconds until STEADY answers in a row have this status; LabError when they never do."""
    begin = time.time()
    while time.time() < begin + SETTLE_SECONDS:
        time.sleep(process.POLL_SECONDS)
        last = answers[-STEADY:]
        if len(last) == STEADY and last[0]["t"] >= begin and all(one["status"] == status for one in last):
            return float(last[0]["t"]) - begin
    last_said = look.told(answers[-1]) if answers else "none"
    raise errors.not_ready(SETTLE_SECONDS, f"{status} {when} (last: {last_said})")
