"""What probing the ways to peers costs a gateway or node with so many links, all of them idle."""

import statistics
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.bench.probing_child import RUNS, SECONDS, addresses
from tests.bench.row import Row, rounded
from tests.netns.spaces import Space

COUNTS = (3, 100)
NAMES = (*(f"probe-cpu-{count}" for count in COUNTS), *(f"probe-packets-{count}" for count in COUNTS))
TARGETS = {"probe-cpu-100": 4.0}
CHILD = Path(__file__).with_name("probing_child.py")


def measure(names: tuple[str, ...]) -> list[Row]:
    """One run for both rows of a count."""
    counts = sorted({count_of(name) for name in names})
    found = {count: series(count) for count in counts}
    return [row(name, *found[count_of(name)]) for name in names]


def count_of(name: str) -> int:
    """The number of links that a row is about."""
    return int(name.rpartition("-")[2])


def series(count: int) -> tuple[list[float], list[float]]:
    """Per cent of a core and packets a second, window by window."""
    with links(count) as space:
        said = space.run(sys.executable, str(CHILD), str(count)).splitlines()
    cpu, packets = ([float(word) for word in line.split()] for line in said)
    return cpu, packets


@contextmanager
def links(count: int) -> Iterator[Space]:
    """A namespace in which the kernel answers for so many addresses."""
    space = Space("bench")
    try:
        for address in addresses(count):
            space.ip("addr", "add", f"{address}/128", "dev", "lo", "nodad")
        yield space
    finally:
        space.remove()


def row(name: str, cpu: list[float], packets: list[float]) -> Row:
    """The median of the windows, with the extremes in the note."""
    values, unit, what = (cpu, "% core", "processor time") if "cpu" in name else (packets, "1/s", "echoes out and back")
    spread = f"min {rounded(min(values)):g}, max {rounded(max(values)):g}"
    note = f"{what}, {count_of(name)} idle links, {RUNS} windows of {SECONDS:g} s; {spread}; the kernel's answers on loopback included"
    return Row(name, rounded(statistics.median(values)), unit, RUNS, note, TARGETS.get(name))
