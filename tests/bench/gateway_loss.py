"""How long the slowest request takes when the gateway that carries it is cut off, and another takes its node's traffic."""

import time

from tests.bench.row import Row, median_row
from tests.netns.rails_world import serving, ticking
from tests.netns.spaces import await_true

NAMES = ("gateway-loss-gap",)
TARGET = 2.0
WORLDS, CUTS = 3, 4
BEFORE, AFTER = 1.0, 3.0


def measure(names: tuple[str, ...]) -> list[Row]:
    """Cuts of the gateway that carries, one after the other, in each of some worlds; 50 requests a second."""
    samples: list[float] = []
    failed = count = 0
    for _ in range(WORLDS):
        with serving() as world, ticking(world) as ticks:
            for _ in range(CUTS):
                carrier = world.carrier()
                ticks.until(time.time() + BEFORE)
                seen = len(ticks.all)
                with world.cut(carrier):
                    ticks.until(time.time() + AFTER)
                samples.append(max(took for _, took, _ in ticks.all[seen:]))
                await_true("it carries again", lambda world=world, carrier=carrier: world.carrier() == carrier, 30)  # type: ignore[misc]
            failed, count = failed + len(ticks.failed()), count + len(ticks.all)
    note = f"{failed} of {count} requests failed"
    return [median_row(name, "s", samples, WORLDS * CUTS, note, TARGET) for name in names]
