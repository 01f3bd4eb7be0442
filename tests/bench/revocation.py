"""A member is revoked: how long until the last other member has nothing of it left."""

import time

from federation.lab import manifests, process
from federation.lab.cluster import cluster_of
from federation.lab.manifests import Listed, Return
from federation.lab.state import Lab
from federation.lab.topology import LAB
from tests.bench.raised import command, raised
from tests.bench.row import Row, median_row
from tests.netns.test_revocation import GONE, OTHERS, fetched, left

NAMES = ("revoke-to-gone",)
RUNS, TARGET = 3, 30.0
READY_SECONDS = 60.0
NOTE = (
    "isthmus member revoke until each other member's status, WireGuard links, shares, name server and a client's request "
    "have nothing of it left and its nodes are current; asked in turns, each round takes about a second"
)


def measure(names: tuple[str, ...]) -> list[Row]:
    """A lab for each run, because a revocation cannot be undone."""
    return [median_row(name, "s", [one() for _ in range(RUNS)], RUNS, NOTE, TARGET) for name in names]


def one() -> float:
    """Seconds of one revocation."""
    with raised() as lab:
        manifests.set_endpoints(cluster_of(lab, GONE), [Listed(pod) for pod in LAB.member(GONE).endpoints[:2]])
        cluster_of(lab, "us-east").put(manifests.public_name(Return(100, 1)))
        for member in OTHERS:
            process.wait_for(lab, lambda member=member: served(lab, member), READY_SECONDS)  # type: ignore[misc]
        begin = time.monotonic()
        command("member", "revoke", GONE, "--state", str(lab.member("us-east") / "state"))
        for member in OTHERS:
            process.wait_for(lab, lambda member=member: ", ".join(left(lab.path, member)), 2 * TARGET)  # type: ignore[misc]
        return time.monotonic() - begin


def served(lab: Lab, member: str) -> str:
    """For wait_for: this member's clients are served by the one that will be revoked."""
    return "" if fetched(lab.path, member) == GONE else f"{member} is not served by {GONE}"
