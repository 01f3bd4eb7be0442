"""The whole path (name, capture, two Envoys, mTLS, WireGuard) against the bare WAN, in one run."""

import json
import statistics

from federation.lab import look, netns, process, topology
from federation.lab.inside import command
from federation.lab.state import Lab
from federation.lab.topology import LAB, WEB_PORT
from tests.bench.raised import raised
from tests.bench.row import GOOD_SHARE, Row, rounded, void

NAMES = ("path-overhead",)
ROUNDS, EACH = 10, 50
HOME, AWAY = LAB.member(topology.HOME), LAB.member(topology.AWAY)
POD = AWAY.endpoints[0]


def measure(names: tuple[str, ...]) -> list[Row]:
    """Turns of the same client in a whole lab and in a bare one beside it, both at 0 ms."""
    whole: list[float] = []
    bare: list[float] = []
    with raised(0) as lab, raised(0, "--bare") as plain:
        route(plain)
        for _ in range(ROUNDS):
            whole += times(lab, look.URL)
            bare += times(plain, f"http://{POD.address}:{WEB_PORT}/")
    if min(len(whole), len(bare)) < GOOD_SHARE * ROUNDS * EACH:
        return [void(NAMES[0], "times", f"{len(whole)} and {len(bare)} of {ROUNDS * EACH} requests were good")]
    ours, theirs = statistics.median(whole), statistics.median(bare)
    note = (
        f"p50 {ours:.2f} ms by name through node Envoy, WireGuard and gateway Envoy, {theirs:.2f} ms to the pod's address "
        f"over the bare WAN; GET over new connections, round trip 0 ms, turns of {EACH}, two cores for everything"
    )
    return [Row(NAMES[0], rounded(ours / theirs), "times", len(whole), note)]


def route(plain: Lab) -> None:
    """Let the bare lab's machines pass pods' packets to each other."""
    for here, there in ((HOME, AWAY), (AWAY, HOME)):
        command(
            "ip", "-n", netns.machine(plain.lab, here.name), "route", "add", there.pod_prefix, "via", there.underlay
        )


def times(lab: Lab, url: str) -> list[float]:
    """Milliseconds of each good request from the home client's pod."""
    client = process.own("client", url, "--count", str(EACH), "--deadline", "30")
    output = command(*process.wrapped(netns.client(lab.lab, HOME.name), client))
    return [one["ms"] for one in map(json.loads, output.splitlines()) if one["ok"]]
