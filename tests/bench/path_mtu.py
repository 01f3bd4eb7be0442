"""How long a request of 1 MiB there and back takes when a hole in the underlay's MTU appears under it."""

from tests.bench.row import Row, median_row
from tests.netns.narrow import FITS, hole, transferring, wide

NAMES = ("mtu-hole-gap",)
WORLDS, AFTER = 4, 3


def measure(names: tuple[str, ...]) -> list[Row]:
    """Two holes, one after the other, in each of some worlds; the longest request after each."""
    samples: list[float] = []
    usual: list[float] = []
    for _ in range(WORLDS):
        with wide() as world, transferring(world) as clients:
            for size in FITS:
                clients.more(AFTER)
                usual += clients.took[-AFTER:]
                for space in (world.east, world.west):
                    hole(space, size)
                clients.more(AFTER)
                samples.append(max(clients.took[-AFTER:]))
    note = f"holes of {' and '.join(map(str, FITS))} bytes, both ways; without a hole {sorted(usual)[len(usual) // 2]:.2f} s"
    return [median_row(name, "s", samples, WORLDS * len(FITS), note) for name in names]
