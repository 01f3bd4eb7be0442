"""The WireGuard key of a member's only gateway is exchanged under floods of echoes and under requests: what is lost."""

import time

from federation.lab import look
from tests.bench.raised import raised
from tests.bench.row import Row, median_row
from tests.netns.rotations import PAUSE, flooding, gateway, to_and_fro

NAMES = ("key-rotation-lost", "key-rotation-gap", "key-rotation-slowest")
TARGETS = {"key-rotation-lost": 1.0, "key-rotation-gap": 0.2, "key-rotation-slowest": 0.5}
ROTATIONS = 5
MEMBER = "us-east"
AROUND = 2.0
"""Seconds of flood before and after."""


def measure(names: tuple[str, ...]) -> list[Row]:
    """One rotation after the other in a lab, each with echoes both ways to both other members and 50 requests a second."""
    lost = sent = failed = 0
    gaps: list[float] = []
    slowest: list[float] = []
    took: list[float] = []
    with raised() as lab:
        for _ in range(ROTATIONS):
            with (
                look.recording(lab, MEMBER, "--rate", "50", "--timeout", "5", "--keep") as answers,
                flooding(*to_and_fro(lab, MEMBER)) as floods,
            ):
                time.sleep(AROUND)
                began = time.monotonic()
                done = gateway(lab, MEMBER, "rotate-key")
                took.append(time.monotonic() - began)
                time.sleep(AROUND)
            if done.returncode != 0:
                raise RuntimeError(done.stderr.strip())
            lost += int(sum(one.told["lost"] for one in floods))
            sent += int(sum(one.told["sent"] for one in floods))
            gaps.append(max(one.told["gap"] for one in floods))
            slowest.append(max(one["ms"] for one in answers) / 1_000)
            failed += sum(not one["ok"] for one in answers)
    note = f"of {sent} echoes, one each {1_000 * PAUSE:g} ms and way; {failed} requests failed; each took {max(took):.0f} s"
    rows = [
        Row(NAMES[0], lost, "packets", ROTATIONS, note, TARGETS[NAMES[0]]),
        median_row(NAMES[1], "s", gaps, ROTATIONS, "longest between two answers", TARGETS[NAMES[1]]),
        median_row(NAMES[2], "s", slowest, ROTATIONS, "slowest of 50 requests a second", TARGETS[NAMES[2]]),
    ]
    return [row for row in rows if row.row in names]
