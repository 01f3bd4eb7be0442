"""A step of both stories: a member's AccessPolicy leaves another's clients out, then lets them in again."""

import time
from collections.abc import Iterator

from federation.lab import look, manifests
from federation.lab.cluster import cluster_of
from federation.lab.look import Answer
from federation.lab.manifests import CLIENTS, Caller
from federation.lab.state import Lab
from federation.lab.step import Step
from federation.lab.topology import NAMESPACE, WEB

SECONDS = 20.0
CHANGE_MS = 1_000
STEADY = 10
FORBIDDEN = 403


def admitted(lab: Lab, name: str, caller: str, exporter: str, service: str = WEB, url: str = look.URL) -> Step:
    """Clients in `caller`, whom `exporter` serves, are left out by its policy and answered 403, each request; then they
    are served again. One policy is changed and no connection is asked to end.
    """
    cluster = cluster_of(lab, exporter)
    args = ("--count", "0", "--deadline", str(SECONDS), "--rate", "50", "--keep")
    with look.watching(lab, caller, *args, url=url) as answers:
        lines = iter(answers)
        before = next(lines)
        changed = time.time()
        cluster.put(manifests.access((Caller(exporter, NAMESPACE, "client"),), service))
        out = _until(lines, FORBIDDEN, changed)
        changed = time.time()
        cluster.put(manifests.access(CLIENTS, service))
        back = _until(lines, before["status"], changed)
    measured = f"{before['status']}, then {FORBIDDEN} after {out:.0f} ms, then {before['status']} after {back:.0f} ms"
    return Step(
        name,
        f"{caller}'s client is served, has 403 in {CHANGE_MS} ms of a policy without it, is served again in that",
        measured,
        before["ok"] and max(out, back) <= CHANGE_MS,
    )


def _until(lines: Iterator[Answer], status: int, changed: float) -> float:
    """Milliseconds from the change to the first of STEADY answers in a row with this status; inf when there is none."""
    took, steady = float("inf"), 0
    for one in lines:
        steady = steady + 1 if one["status"] == status else 0
        if steady == 1:
            took = (one["t"] - changed) * 1000 + one["ms"]
        if steady == STEADY:
            return took
    return float("inf")
