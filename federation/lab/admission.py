"""A step of both stories: a member's AccessPolicy leaves another's clients out, then lets them in again."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

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
TRIES = 2
FORBIDDEN = 403


def admitted(lab: Lab, name: str, caller: str, exporter: str, service: str = WEB, url: str = look.URL) -> Step:
    """Clients in `caller`, whom `exporter` serves, are left out by its policy and answered 403, each request; then they
    are served again. One policy is changed and no connection is asked to end. A machine that stalls has TRIES.
    """
    cluster = cluster_of(lab, exporter)
    args = ("--count", "0", "--deadline", str(SECONDS), "--rate", "50", "--keep")
    tries: list[str] = []
    good = False
    while not good and len(tries) < TRIES:
        with look.watching(lab, caller, *args, url=url) as answers:
            lines = iter(answers)
            before = next(lines)
            changed = time.time()
            cluster.put(manifests.access((Caller(exporter, NAMESPACE, "client"),), service))
            out = _until(lines, FORBIDDEN, changed)
            changed = time.time()
            cluster.put(manifests.access(CLIENTS, service))
            back = _until(lines, before["status"], changed)
        tries.append(f"{before['status']}, then {FORBIDDEN} after {out}, then {before['status']} after {back}")
        good = before["ok"] and max(out.ms, back.ms) <= CHANGE_MS
    expected = f"{caller}'s client is served, has 403 in {CHANGE_MS} ms of a policy without it, is served again in that"
    return Step(name, expected, "; again: ".join(tries), good)


@dataclass(frozen=True)
class Turn:
    """Milliseconds from a change to the first answer of the new sort, and to the first after which all are."""

    first: float = float("inf")
    ms: float = float("inf")

    def __str__(self) -> str:
        mixed = f" (the first after {self.first:.0f} ms)" if self.first < self.ms else ""
        return f"{self.ms:.0f} ms{mixed}"


def _until(lines: Iterator[Answer], status: int, changed: float) -> Turn:
    """The first of STEADY answers in a row with this status."""
    first, took, steady = float("inf"), float("inf"), 0
    for one in lines:
        steady = steady + 1 if one["status"] == status else 0
        if steady == 1:
            took = (one["t"] - changed) * 1000 + one["ms"]
            first = min(first, took)
        if steady == STEADY:
            return Turn(first, took)
    return Turn(first)
