"""One node agent among 100 members: from nothing, and after one endpoint changed, with more and more services beside it.

1,000 services of 100 endpoints each, spread over ten of the members, ten of them at home; three workloads on the node. A
process of its own for each size; kernel and controller are twins in memory, no Envoy is connected.
"""

import statistics
import subprocess
import sys
from functools import cache
from pathlib import Path

import msgspec
from msgspec import Struct

from tests.bench.agent_scale_child import RUNS
from tests.bench.row import Row, median_row, rounded

COLD = ("agent-cold-node", "agent-cold-gateway", "agent-memory-node", "agent-memory-gateway")
COUNTS = (10, 100, 1_000)
CHANGES = (*(f"agent-change-{count}" for count in COUNTS), "agent-change-gateway-1000")
NAMES = (*COLD, *CHANGES)
TARGET = 5.0
MOST = 1_000
CHILD = Path(__file__).with_name("agent_scale_child.py")
SECONDS = 300
"""For one child."""


class Found(Struct, frozen=True):
    """What a child says: seconds from nothing, megabytes, and of each change milliseconds to the offer, to the end of the
    pass, and of the processor.
    """

    cold: float
    cold_cpu: float
    grown: float
    resident: float
    offered: list[float]
    whole: list[float]
    cpu: list[float]


def measure(names: tuple[str, ...]) -> list[Row]:
    """One child a size and role, whatever number of rows it is for."""
    return [cold_row(name) if name in COLD else change_row(name) for name in names]


@cache
def found(role: str, services: int) -> Found:
    """What a new process finds."""
    done = subprocess.run(
        [sys.executable, str(CHILD), role, str(services)], capture_output=True, check=True, timeout=SECONDS
    )
    return msgspec.json.decode(done.stdout, type=Found)


def cold_row(name: str) -> Row:
    """From the start of the agent with a handout of 1,000 services at hand until all of it is offered."""
    _, what, role = name.split("-")
    got = found(role, MOST)
    note = f"role {role}, 100 members, {MOST} services, 100 endpoints each; decoding the handout not counted"
    if what == "cold":
        return Row(name, rounded(got.cold), "s", 1, f"{note}; {got.cold_cpu:.2f} s of the processor")
    return Row(
        name,
        rounded(got.resident),
        "MB",
        1,
        f"{note}; resident at most, {got.grown:.0f} of it for planning and encoding",
    )


def change_row(name: str) -> Row:
    """From the handout's change until the bytes are offered."""
    role, services = ("gateway" if "gateway" in name else "node"), int(name.rpartition("-")[2])
    got = found(role, services)
    whole, cpu = rounded(statistics.median(got.whole)), rounded(statistics.median(got.cpu))
    note = f"role {role}, {services} services, 100 members; the whole pass {whole:g} ms, {cpu:g} of the processor; must not grow"
    return median_row(name, "ms", got.offered, RUNS, note, TARGET)
