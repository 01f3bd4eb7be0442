"""The agent's side of the socket and an Envoy with many services, for `load_reports.py`.

Usage: load_reports_child.py SERVICES BACKEND_PORT REPORTS (1 or 0). Prints {"port", "envoy"} when Envoy holds all of
them, then for each line on stdin {"seconds" of this process' processor time, "reports" that came, "services" in use that they named}.
"""

import asyncio
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from envoy.service.load_stats.v3 import lrs_pb2

ROOT = Path(__file__).resolve().parents[2]
sys.path[0] = str(ROOT)

from gateways.binary import find_envoy  # noqa: E402
from gateways.load.counts import Count  # noqa: E402
from gateways.load.serve import LoadServer  # noqa: E402
from gateways.render.envoy.bootstrap import bootstrap  # noqa: E402
from gateways.render.envoy.resources import service_parts  # noqa: E402
from gateways.services import route_of  # noqa: E402
from gateways.state import Cluster, Host, Locality, NodeListener, ServiceState  # noqa: E402
from gateways.xds.encode import Encoder  # noqa: E402
from gateways.xds.serve import XdsServer  # noqa: E402
from tests.bench.load_reports import address  # noqa: E402
from tests.e2e.load_envoy import NODE, milliseconds, until  # noqa: E402
from tests.worlds.ports import free_port  # noqa: E402

WEIGHTS = {"us-east": 750_000, "eu-central": 250_000}
READY_SECONDS = 120


class Counting(LoadServer):
    """Counts the reports as well, and the services in use that they name."""

    reports = services = 0

    def _metered(self, message: lrs_pb2.LoadStatsRequest) -> list[Count]:
        counts = super()._metered(message)
        self.reports += 1
        self.services += len({one.way.service for one in counts if one.requests})
        return counts


def state(services: int, port: int, backend: int) -> ServiceState:
    """A listener, a route and a cluster with two members for each service."""
    clusters = tuple(cluster(f"out/shop/s{number}/http/local", backend) for number in range(services))
    listeners = tuple(
        NodeListener(name=one.name, address=address(number), port=port, http=True, chains=(), default=one.name)
        for number, one in enumerate(clusters)
    )
    return ServiceState(clusters=clusters, routes=tuple(map(route_of, clusters)), listeners=listeners)


def cluster(name: str, backend: int) -> Cluster:
    """Two members behind two addresses of this machine."""
    localities = tuple(
        Locality(member, member, weight, (Host(f"127.0.0.{number}", backend),))
        for number, (member, weight) in enumerate(WEIGHTS.items(), start=1)
    )
    return Cluster(name=name, local="us-east", localities=localities, http=True)


async def main(services: int, backend: int, reported: bool) -> None:
    """Serve until stdin ends."""
    folder = Path(tempfile.mkdtemp(prefix="load-"))
    load, port = Counting("us-east", milliseconds), free_port()
    xds = XdsServer(folder / "xds.sock", (load.handler(),) if reported else ())
    await xds.start()
    config = folder / "envoy.json"
    config.write_text(
        json.dumps(bootstrap("n1", "us-east", "us", str(folder / "xds.sock"), str(folder / "admin.sock")))
    )
    line = [find_envoy(), "-c", str(config), "--concurrency", "1", "--use-dynamic-base-id", "-l", "error"]
    envoy = await asyncio.create_subprocess_exec(*line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        parts = {"shop": tuple(service_parts(state(services, port, backend), "acme.mesh", (), NODE))}
        xds.offer(Encoder().encode(parts).snapshot)
        await until(xds.settled, READY_SECONDS)
        print(json.dumps({"port": port, "envoy": envoy.pid}), flush=True)
        while await asyncio.to_thread(sys.stdin.readline):
            said = {"seconds": time.process_time(), "reports": load.reports, "services": load.services}
            print(json.dumps(said), flush=True)
    finally:
        envoy.kill()
        await envoy.wait()
        await xds.stop()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3] == "1"))
