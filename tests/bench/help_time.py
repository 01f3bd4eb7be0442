"""`isthmus --help` as a whole process, beside an interpreter that does nothing."""

import statistics
import subprocess
import sys
import time

from federation.lab.process import isthmus
from tests.bench.row import Row, rounded

NAMES = ("help-time",)
RUNS = 15
TARGET = 0.2


def measure(names: tuple[str, ...]) -> list[Row]:
    """Median seconds of both, run in turns."""
    ours, bare = [], []
    for _ in range(RUNS):
        ours.append(seconds(isthmus("--help")))
        bare.append(seconds([sys.executable, "-c", "pass"]))
    note = f"max {max(ours):.3f} s; caches warm, both in turns"
    value, rival = rounded(statistics.median(ours)), rounded(statistics.median(bare))
    return [Row("help-time", value, "s", RUNS, note, TARGET, "python -c pass", rival)]


def seconds(line: list[str]) -> float:
    """How long the process took; CalledProcessError when it fails."""
    begin = time.perf_counter()
    subprocess.run(line, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begin
