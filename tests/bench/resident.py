"""Resident memory of every kind of process after the demo's load."""

import time
from pathlib import Path

from federation.lab import steps
from federation.lab.state import Lab
from federation.lab.topology import LAB
from tests.bench.raised import raised
from tests.bench.row import Row, rounded, void

KINDS = {
    "rss-controller": "controller",
    "rss-agent-gateway": "gateway-agent",
    "rss-agent-node": "node-agent",
    "rss-dns": "dns",
    "rss-signer": "signer",
    "rss-envoy": "envoy",
}
NAMES = tuple(KINDS)
TARGETS = {"rss-controller": 100.0}
LOAD = steps.STEPS[:-1]
"""The demo's journey up to its last step, which starts every process anew."""


def measure(names: tuple[str, ...]) -> list[Row]:
    """The largest of each kind in both members."""
    with raised() as lab:
        stage = steps.Stage(lab, LAB, 0.0)
        steps.begin(stage)
        told = [steps.tell(stage, step) for step in LOAD]
        failed = [step.name for step in told if not step.ok]
        time.sleep(1)  # what is written to disk once a second is written
        found = {name: resident(lab, KINDS[name]) for name in names}
    if failed:
        return [void(name, "MB", f"the load failed at: {', '.join(failed)}", TARGETS.get(name)) for name in names]
    return [row(name, found[name]) for name in names]


def resident(lab: Lab, kind: str) -> dict[str, float]:
    """MB (10^6 bytes) by program of this kind."""
    pids = {name: one.pid for name, one in lab.programs.items() if name.endswith(f"-{kind}")}
    return {name: megabytes(pid) for name, pid in sorted(pids.items())}


def megabytes(pid: int) -> float:
    """VmRSS of a process and its children (proc(5))."""
    status = Path(f"/proc/{pid}/status").read_text()
    own = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:"))
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return own * 1024 / 1e6 + sum(megabytes(int(child)) for child in children)


def row(name: str, found: dict[str, float]) -> Row:
    """The largest, with each in the note."""
    each = ", ".join(f"{program} {value:.1f}" for program, value in found.items())
    note = f"largest of: {each}; after the demo's load ({len(LOAD)} steps, round trip 90 ms)"
    return Row(name, rounded(max(found.values())), "MB", len(found), note, TARGETS.get(name))
