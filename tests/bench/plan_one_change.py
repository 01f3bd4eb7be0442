"""One controller pass after one endpoint changed, over in-memory twins, with more and more services beside it."""

import statistics
import tempfile
import time
from pathlib import Path

from tests.bench.row import Row, median_row
from tests.worlds.controller import World
from tests.worlds.objects import endpoint_slice, export, service

COUNTS = (10, 100, 1_000)
NAMES = tuple(f"plan-one-change-{count}" for count in COUNTS)
RUNS = 200


def measure(names: tuple[str, ...]) -> list[Row]:
    """Each count in a world of its own; the smallest is measured again and again as the yardstick of growth."""
    return [one(name) for name in names]


def one(name: str) -> Row:
    """The median of many passes, each after a change of another endpoint of another service."""
    count = int(name.rpartition("-")[2])
    with tempfile.TemporaryDirectory() as folder:
        world = grown(World(Path(folder)), count)
        samples = [passed(world, number, count) for number in range(RUNS)]
    note = f"{count} exported services, record and three handouts; no disk and no signature (twins); must not grow but by the hash tree's depth"
    return median_row(name, "ms", samples, RUNS, f"mean {statistics.fmean(samples):.3f}; {note}")


def grown(world: World, count: int) -> World:
    """So many services of our own, each exported with two endpoints, and planned."""
    for number in range(count):
        world.cluster.put(service(f"s{number}"))
        world.cluster.put(export(f"s{number}"))
        world.cluster.put(endpoint_slice(("10.1.1.1", "10.1.1.2"), name=f"s{number}"))
    world.step()
    return world


def passed(world: World, number: int, count: int) -> float:
    """Milliseconds of the pass that follows one change."""
    name = f"s{number * 7 % count}"
    world.cluster.put(endpoint_slice(("10.1.1.1", f"10.1.{2 + number}.2"), name=name))
    begin = time.perf_counter()
    world.step()
    taken = (time.perf_counter() - begin) * 1000
    assert len(world.peers.published) == 2 + number, "the pass published nothing"
    return taken
