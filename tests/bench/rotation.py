"""Anchors of two regions are rotated under 200 new mutual TLS connections a second from one to the other, 50 back."""

import time

from tests.bench.raised import raised
from tests.bench.row import Row, median_row, void
from tests.netns.rotation_load import BACK, SECONDS, THERE, connecting, offer_both, rotate

FAILED, TOOK = "rotation-failed-connections", "rotation-seconds"
NAMES = (FAILED, TOOK)
RATE, RATE_BACK, ROUNDS = 200, 50, 2
NEVER = "requests are outstanding"
"""What the client says of a connection that it had no place for: it was never made."""
MOVED = 0.9
"""Of the connections that were due at this rate, the least share that must have been made."""


def measure(names: tuple[str, ...]) -> list[Row]:
    """Both rows by one load over all rotations."""
    with raised() as lab:
        offer_both(lab.path)
        begun = time.monotonic()
        with connecting(lab.path, RATE, RATE_BACK) as under:
            took = [rotate(lab.path, member, under) for _ in range(ROUNDS) for member in (THERE, BACK)]
            seconds = time.monotonic() - begun
    failed = [text for text in under.failed if NEVER not in text]
    never = len(under.failed) - len(failed)
    made, due = len(under.out) + len(under.home) - never, seconds * (RATE + RATE_BACK)
    note = (
        f"{ROUNDS} rotations of each of two members under {RATE} + {RATE_BACK} new TLS connections a second between their node "
        f"and gateway Envoys"
    )
    causes = f"; first: {failed[0]}" if failed else ""
    rows = [Row(FAILED, float(len(failed)), "failed", len(took), f"{note}: {made} connections{causes}", 1.0)]
    if never or made < MOVED * due:
        why = f"{made} of {due:.0f} connections were made and {len(failed)} of them failed, {never} found no place at the client"
        rows = [void(FAILED, "failed", f"{why}: the machine is too busy for this rate", 1.0)]
    rows.append(median_row(TOOK, "s", took, len(took), note, SECONDS))
    return [row for row in rows if row.row in names]
