"""Processor time of the proxies per 1,000 requests: a node Envoy and a gateway Envoy, with mTLS between them over
WireGuard, against one Envoy with a listener, a route and a cluster. The client, the endpoint and WireGuard are not counted.
"""

import json
import os
import statistics
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from federation.lab import look, netns, process
from federation.lab.inside import command
from federation.lab.state import Lab
from federation.lab.topology import WEB_PORT
from gateways.binary import find_envoy
from tests.bench.path_overhead import AWAY, HOME, POD, route
from tests.bench.raised import raised
from tests.bench.row import GOOD_SHARE, Row, rounded, void

NAMES = ("proxy-cpu", "proxy-cpu-new")
ROUNDS, EACH = 5, 2_000
PORT = 18080
TICKS = os.sysconf("SC_CLK_TCK")
READY_SECONDS = 10.0


def measure(names: tuple[str, ...]) -> list[Row]:
    """Turns of the same client in a whole lab and in a bare one with an Envoy beside its machine."""
    with raised(0) as lab, raised(0, "--bare") as plain:
        route(plain)
        with direct(plain) as alone:
            return [row(name, lab, plain, alone) for name in names]


def row(name: str, lab: Lab, plain: Lab, alone: int) -> Row:
    """Over one kept connection, or (`-new`) over a new one for each request."""
    keep = () if name.endswith("-new") else ("--keep",)
    pids = [lab.programs[f"{HOME.name}-node-envoy"].pid, lab.programs[f"{AWAY.name}-gateway-envoy"].pid]
    ours = [spent(pids, lambda: asked(lab, look.URL, keep)) for _ in range(ROUNDS)]
    theirs = [spent([alone], lambda: asked(plain, f"http://{HOME.gateway}:{PORT}/", keep)) for _ in range(ROUNDS)]
    if min(min(done for _, done in turns) for turns in (ours, theirs)) < GOOD_SHARE * EACH:
        return void(name, "times", "too few requests were good")
    both, one = (statistics.median(1_000 * cpu / done for cpu, done in turns) for turns in (ours, theirs))
    note = (
        f"node Envoy and gateway Envoy {both:.3f} s of processor time per 1,000 requests, one direct Envoy {one:.3f} s; "
        f"{'new connections' if not keep else 'one kept connection'}, small GET, {ROUNDS} turns of {EACH}, round trip 0 ms"
    )
    return Row(name, rounded(both / one), "times", ROUNDS, note)


def spent(pids: list[int], work: Callable[[], int]) -> tuple[float, int]:
    """Seconds of processor time of these processes while the work is done, and how much of it was."""
    before = sum(map(ticks, pids))
    done = work()
    return (sum(map(ticks, pids)) - before) / TICKS, done


def ticks(pid: int) -> int:
    """User and system time of a process and all of its threads (proc(5))."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def asked(lab: Lab, url: str, options: tuple[str, ...]) -> int:
    """How many requests of the home client's pod were answered."""
    client = process.own("client", url, "--count", str(EACH), "--deadline", "120", *options)
    output = command(*process.wrapped(netns.client(lab.lab, HOME.name), client))
    return sum(one["ok"] for one in map(json.loads, output.splitlines()))


@contextmanager
def direct(plain: Lab) -> Iterator[int]:
    """One Envoy on the home machine that passes everything on to the other region's pod; its process id."""
    path = plain.path / "direct.json"
    path.write_text(json.dumps(bootstrap()))
    line = [find_envoy(), "-c", str(path), "--concurrency", "1", "--disable-hot-restart", "--log-level", "error"]
    with subprocess.Popen(process.wrapped(netns.machine(plain.lab, HOME.name), line)) as envoy:
        try:
            process.wait_for(plain, lambda: "" if answers(plain) else "the direct Envoy", READY_SECONDS)
            yield envoy.pid
        finally:
            envoy.terminate()


def answers(plain: Lab) -> bool:
    """True when the direct Envoy answers from its pod."""
    client = process.own("client", f"http://{HOME.gateway}:{PORT}/", "--count", "1")
    output = command(*process.wrapped(netns.client(plain.lab, HOME.name), client))
    return bool(json.loads(output.splitlines()[0])["ok"])


def bootstrap() -> dict[str, object]:
    """A listener, a route, a cluster with one endpoint: what any reverse proxy needs."""
    kind = "type.googleapis.com/envoy.extensions.filters"
    router = {"name": "envoy.filters.http.router", "typed_config": {"@type": f"{kind}.http.router.v3.Router"}}
    hosts = [{"name": "all", "domains": ["*"], "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "pod"}}]}]
    manager = {
        "@type": f"{kind}.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "direct",
        "route_config": {"virtual_hosts": hosts},
        "http_filters": [router],
    }
    listener = {
        "address": {"socket_address": {"address": HOME.gateway, "port_value": PORT}},
        "filter_chains": [
            {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}
        ],
    }
    endpoint = {"endpoint": {"address": {"socket_address": {"address": POD.address, "port_value": WEB_PORT}}}}
    cluster = {
        "name": "pod",
        "type": "STATIC",
        "load_assignment": {"cluster_name": "pod", "endpoints": [{"lb_endpoints": [endpoint]}]},
    }
    return {"static_resources": {"listeners": [listener], "clusters": [cluster]}}
