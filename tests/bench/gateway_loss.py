"""A gateway that carries a node's requests is cut off: when its node goes elsewhere, and how long the slowest request takes."""

import time

from tests.bench.row import Row, median_row, quantile, rounded
from tests.netns.rails_world import RailsWorld, serving, ticking
from tests.netns.spaces import await_true

NAMES = ("gateway-loss-gap", "link-loss-seen")
TARGETS = {"gateway-loss-gap": 2.0, "link-loss-seen": 1.2}
WORLDS, CUTS = 3, 8
BEFORE, AFTER = 1.0, 3.0


def measure(names: tuple[str, ...]) -> list[Row]:
    """Cuts of the gateway that carries, one after the other, in each of some worlds; a request each 20 ms."""
    gaps: list[float] = []
    seen: list[float] = []
    failed = count = 0
    for _ in range(WORLDS):
        with serving() as world, ticking(world) as ticks:
            for _ in range(CUTS):
                carrier = world.carrier()
                ticks.until(time.time() + BEFORE)
                before = len(ticks.all)
                with world.cut(carrier):
                    seen.append(_moved(world, carrier))
                    ticks.until(time.time() + AFTER)
                gaps.append(max(took for _, took, _ in ticks.all[before:]))
                _until_back(world, carrier)
            failed, count = failed + len(ticks.failed()), count + len(ticks.all)
    note = f"{failed} of {count} requests failed"
    usual = f"99th percentile; median {rounded(quantile(seen, 0.5)):g} s; from the cut to the node's route over another"
    rows = [
        median_row(NAMES[0], "s", gaps, WORLDS * CUTS, note, TARGETS[NAMES[0]]),
        Row(NAMES[1], rounded(quantile(seen, 0.99)), "s", len(seen), usual, TARGETS[NAMES[1]]),
    ]
    return [row for row in rows if row.row in names]


def _moved(world: RailsWorld, carrier: str) -> float:
    began = time.monotonic()
    await_true("another carries", lambda: world.carrier() != carrier)
    return time.monotonic() - began


def _until_back(world: RailsWorld, carrier: str) -> None:
    await_true("it carries again", lambda: world.carrier() == carrier, 30)
