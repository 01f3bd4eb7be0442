"""What one end of a link sends gets lost, what the other sends arrives: how long until both ends know."""

import time

from tests.bench.row import Row, median_row
from tests.netns.narrow import hole, of_link, wide
from tests.netns.spaces import await_true

NAMES = ("one-way-seen",)
TARGET = 3.0
ROUNDS = 6


def measure(names: tuple[str, ...]) -> list[Row]:
    """The longest of both ends, each direction in turns, on a link without requests."""
    took: list[float] = []
    with wide() as world:

        def up() -> tuple[float, float]:
            return of_link(world, "eg", "eu-central", "up"), of_link(world, "wg", "us-east", "up")

        for _ in range(ROUNDS):
            for space in (world.west, world.east):
                hole(space, 0)
                began = time.monotonic()
                await_true("both ends see it", lambda: up() == (0, 0))
                took.append(time.monotonic() - began)
                space.run("nft", "delete", "table", "inet", "hole")
                await_true("both ends see that it is over", lambda: up() == (1, 1))
    note = "an idle link; by both agents' metrics, read every 0.2 s or so"
    return [median_row(name, "s", took, 2 * ROUNDS, note, TARGET) for name in names]
