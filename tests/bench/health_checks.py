"""What very many health probes cost the program that makes them, in a namespace of their own."""

import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.bench.health_checks_child import INTERVAL_MS, RUNS
from tests.bench.row import Row, rounded, void
from tests.netns.spaces import Space

COUNTS = {"checks-tcp-50000": 50_000, "checks-http-30000": 30_000}
NAMES = tuple(COUNTS)
TARGET = 100.0
CHILD = Path(__file__).with_name("health_checks_child.py")
ENOUGH = 0.99
"""A window with fewer of the probes that were due measured a prober that fell behind."""


def measure(names: tuple[str, ...]) -> list[Row]:
    """One run a row."""
    return [row(name, COUNTS[name]) for name in names]


def row(name: str, count: int) -> Row:
    """The median of the windows; void when the prober fell behind or found somebody down."""
    with answering() as space:
        line = inside(space, "probe", name.split("-")[1], str(count))
        said = subprocess.run(line, stdout=subprocess.PIPE, text=True, timeout=120, check=True).stdout
    found = [float(word) for word in said.split()]
    cpu, checks, (memory, down, waiting) = found[:RUNS], found[RUNS : 2 * RUNS], found[2 * RUNS :]
    if down or min(checks) < ENOUGH * count / (INTERVAL_MS / 1_000):
        return void(name, "% core", f"{down:g} targets down, {min(checks):g} probes a second", TARGET)
    spread = (
        f"min {rounded(min(cpu)):g}, max {rounded(max(cpu)):g}, {rounded(statistics.median(checks)):g} probes a second"
    )
    rest = f"{rounded(memory):g} MB per 10,000 targets, {waiting:g} connections in TIME_WAIT"
    note = f"{spread}; {rest}; the kernel's work for both ends of loopback included; who answers is on another core"
    return Row(name, rounded(statistics.median(cpu)), "% core", RUNS, note, TARGET)


@contextmanager
def answering() -> Iterator[Space]:
    """A namespace in which somebody answers on every address of 127.0.0.0/8."""
    space = Space("bench")
    server = subprocess.Popen(inside(space, "answer"), stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None and server.stdout.readline() == "up\n"
        yield space
    finally:
        server.kill()
        server.communicate(timeout=10)
        space.remove()


def inside(space: Space, *arguments: str) -> list[str]:
    """The child with these arguments, in the namespace."""
    return ["ip", "netns", "exec", space.name, sys.executable, str(CHILD), *arguments]
