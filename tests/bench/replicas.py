"""Two controllers of one member in one cluster: what they ask at rest, and how long a takeover takes.

Both are real processes; the API server is the double, which counts what it is asked.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from pathlib import Path

from tests.bench.row import Row, median_row, rounded
from tests.netns.spaces import await_true
from tests.worlds.clusters import Bed
from tests.worlds.replicas import UP, Pair, Replica, pair

NAMES = ("replicas-requests-at-rest", "replicas-other-requests-at-rest", "replicas-takeover-after-kill")
MOST, MOST_OTHER, TAKEOVER = 25.0, 4.0, 15.0
WARM, REST = 20.0, 120.0
"""Seconds until nothing is left to do, and for which requests are counted."""
KILLS = 5
REQUESTS = 'isthmus_kube_requests_total{code="200",kind="Lease"'


def measure(names: tuple[str, ...]) -> list[Row]:
    """All rows by one pair."""
    folder = Path(tempfile.mkdtemp(prefix="isthmus-replicas-"))
    bed = Bed("double", folder)
    try:
        with pair(folder / "site", bed.one) as two:
            rows = at_rest(two) if names[:-1] or NAMES[-1] not in names else []
            rows += [takeover(two)] if NAMES[-1] in names else []
            return [row for row in rows if row.row in names]
    finally:
        bed.end()
        shutil.rmtree(folder, ignore_errors=True)


def asked(two: Pair) -> tuple[float, float]:
    """Requests so far: all that the double counts, without the one that asks it; those for the Lease, by our metrics."""
    metrics = [two.site.metrics(one.name) for one in (two.first, two.second)]
    leases = sum(value for one in metrics for name, value in one.items() if name.startswith(REQUESTS))
    return two.cluster.ok("GET", "/_faults")["requests"], leases


def at_rest(two: Pair) -> list[Row]:
    """Requests a minute of both together."""
    wait(WARM)
    (before, leases), began = asked(two), time.monotonic()
    wait(REST)
    minutes, (total, renewed) = (time.monotonic() - began) / 60, asked(two)
    lease, other = (renewed - leases) / minutes, (total - before - renewed + leases) / minutes
    note = f"two replicas, {REST:g} s: {lease:.1f} a minute for the Lease, {other:.1f} others"
    return [
        Row(NAMES[0], rounded(lease + other), "a minute", 1, note, MOST),
        Row(NAMES[1], rounded(other), "a minute", 1, note, MOST_OTHER),
    ]


def takeover(two: Pair) -> Row:
    """kill -9 of the leader until the standby serves, again and again."""
    leader, standby, samples = two.first, two.second, []
    for _ in range(KILLS):
        samples.append(killed(leader, standby))
        leader, standby = standby, leader
    return median_row(NAMES[2], "s", samples, KILLS, "from kill -9 until the other one leads and serves", TAKEOVER)


def killed(leader: Replica, standby: Replica) -> float:
    """Seconds until the standby serves; the killed one is started again and follows."""
    ups, began = len(standby.said(UP)), time.monotonic()
    leader.kill()
    await_true("the standby leads", lambda: len(standby.said(UP)) > ups, 2 * TAKEOVER)
    took = time.monotonic() - began
    leader.start()
    await_true("the other one follows", lambda: leader.role() == "standby", 30)
    return took


def wait(seconds: float) -> None:
    """Until so much time is over."""
    end = time.monotonic() + seconds
    await_true("the time is over", lambda: time.monotonic() >= end, seconds + 5)
