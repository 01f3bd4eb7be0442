"""What a story sees of steered load: what a member states, held against who answered, and the service map."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from federation.lab import api, errors, look, process, up
from federation.lab.look import Answer
from federation.lab.step import Step
from federation.lab.story.measure import by_member
from federation.lab.story.scene import CENTRAL, EAST, POINTS, SETTLE_SECONDS, WEST, Scene
from federation.lab.topology import NAMESPACE, WEB

KEY = f"{NAMESPACE}/{WEB}"
CAPACITY, ROOM = 50, 40
"""Requests a second that a member can take, and to which it is filled."""
LOW, MORE, MOST = 30, 70, 110
"""Requests a second that clients ask: less than the own room, than that of two members, and than that of three."""
SURGE_SECONDS = 6
"""With the average over ten seconds alone it would be eleven."""
WINDOW_SECONDS = 8.0
TOLERANCE = 0.2
"""How far what is known of demand may be from it: agents hold it still to 5 %, the controller to 10 %, together
1/(0.95 x 0.9), and there is noise. Filling to 0.8 leaves that room below the capacity.
"""
MAP_PERCENT = 10.0

Window = tuple[Mapping[str, int], list[Answer]]
"""The shares (ppm) that were stated throughout, and the answers of that time."""


def _told(scene: Scene) -> dict[str, Any]:
    return api.get(look.api_socket(scene.lab, EAST), "/v1/explain", of=KEY, **{"from": EAST})


def current(scene: Scene) -> None:
    """Wait until every node has in force what is wanted; LabError when that does not happen."""
    process.wait_for(scene.lab, lambda: "; ".join(up.missing(scene.lab, scene.topology)[:1]), SETTLE_SECONDS)


def ungranted(scene: Scene) -> str:
    """What East has not been told yet."""
    rows = {row["member"]: row for row in _told(scene)["inputs"]}
    remote = [rows.get(name, {}) for name in (WEST, CENTRAL)]
    good = rows.get(EAST, {}).get("ready") == 1 and all(row.get("ready") == 1 and row["grant"] > 0 for row in remote)
    return "" if good else f"{EAST} is told {rows}"


def steady(scene: Scene, rate: int, clients: Sequence[list[Answer]], members: tuple[str, ...]) -> Window:
    """WINDOW_SECONDS in which these members were stated to share so much, and the shares did not change."""
    process.wait_for(scene.lab, lambda: _undemanded(scene, rate, members), SETTLE_SECONDS)
    end = time.monotonic() + SETTLE_SECONDS
    while time.monotonic() < end:
        current(scene)
        before, begin = look.explain(scene.lab, EAST, KEY), time.time()
        time.sleep(WINDOW_SECONDS)
        if look.explain(scene.lab, EAST, KEY) == before:
            return before, [one for answers in clients for one in tuple(answers) if one["t"] >= begin]
    raise errors.not_ready(SETTLE_SECONDS, f"the shares of {KEY} still change")


def _undemanded(scene: Scene, rate: int, members: tuple[str, ...]) -> str:
    said = _told(scene)
    shares = {row["member"]: row["ppm"] for row in said["shares"] if row["ppm"]}
    known = abs(said["demand"] - rate) <= rate * TOLERANCE
    return "" if known and set(shares) == set(members) else f"{EAST} knows of {said['demand']} a second, {shares}"


def counted(name: str, answers: Sequence[Answer], stated: Mapping[str, int], what: str) -> Step:
    """Who answered, against what was stated, within POINTS; nothing failed."""
    by, total = by_member(answers), max(1, len(answers))
    parts = {one: ppm / 10_000 for one, ppm in stated.items()}
    good = bool(answers) and all(
        abs(parts.get(one, 0) - 100 * by.get(one, 0) / total) <= POINTS for one in parts.keys() | by.keys()
    )
    expected = f"{what}: {_listed(parts)} within {POINTS:g} points"
    measured = f"{_listed({one: 100 * count / total for one, count in by.items()})} of {len(answers)}"
    return Step(name, expected, measured, good and by.keys() <= parts.keys())


def _listed(percents: Mapping[str, float]) -> str:
    return ", ".join(f"{one} {part:.1f} %" for one, part in sorted(percents.items()))


def surged(answers: Sequence[Answer], begin: float) -> Step:
    """How long East got more than it can take."""
    seconds = [
        sum(one["member"] == EAST for one in answers if begin + second <= one["t"] < begin + second + 1)
        for second in range(10)
    ]
    over = [second + 1 for second, count in enumerate(seconds) if count > CAPACITY]
    measured = f"{over[-1] if over else 0} s; by second {' '.join(map(str, seconds))}"
    expected = f"from {LOW} to {MORE} a second: {EAST} is over its {CAPACITY} for {SURGE_SECONDS:g} s at most"
    good = sum(seconds) >= LOW * len(seconds) and max(over, default=0) <= SURGE_SECONDS
    return Step("2 surge", expected, measured, good)


def _rates(clients: Sequence[list[Answer]]) -> dict[str, float]:
    """Answers a second by member over the last window."""
    now = time.time() - 1.0
    recent = [one for answers in clients for one in tuple(answers) if now - WINDOW_SECONDS <= one["t"] < now]
    return {name: count / WINDOW_SECONDS for name, count in by_member(recent).items()}


def _edges(scene: Scene) -> dict[str, float]:
    edges = api.get(look.api_socket(scene.lab, EAST), "/v1/map")["edges"]
    return {edge["destination"]: edge["rps"] for edge in edges if edge["service"] == KEY}


def mapped(scene: Scene, clients: Sequence[list[Answer]], seconds: float) -> Step:
    """The map shows each way with its requests a second, an average over ten seconds that has so long to follow."""
    end, good = time.monotonic() + seconds, False
    while not good and time.monotonic() < end:
        time.sleep(process.POLL_SECONDS)
        edges, rates = _edges(scene), _rates(clients)
        good = edges.keys() == rates.keys() and all(
            abs(edges[name] - rate) * 100 <= MAP_PERCENT * rate for name, rate in rates.items()
        )
    measured = ", ".join(f"{name} {edges.get(name, 0):.1f} of {rate:.1f}" for name, rate in sorted(rates.items()))
    return Step("2 map", f"each edge within {MAP_PERCENT:g} % of what was answered", measured, good)
