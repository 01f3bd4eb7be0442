"""What a node is told of its own traffic by a real Envoy."""

import asyncio
import math

import pytest
from prometheus_client import REGISTRY

from federation.model.handout import Flow
from tests.e2e.load_envoy import LoadBed

SECONDS = 12


def flows(bed: LoadBed, service: str) -> dict[str, Flow]:
    said = bed.load.book.reports.get(f"flow/shop/{service}")
    return {flow.to: flow for flow in said.flows} if said else {}


def counted(service: str, destination: str, name: str = "isthmus_requests_total") -> float:
    labels = {"source": "us-east", "service": f"shop/{service}", "destination": destination}
    return REGISTRY.get_sample_value(name, labels) or 0


def risen(rps: float, seconds: float = SECONDS) -> float:
    """The average over 10 s of a rate that began so many seconds ago, in thousandths."""
    return 1_000 * rps * (1 - math.exp(-seconds / 10))


def test_offered_load_is_known_per_service_and_member() -> None:
    """Within 10 %: three quarters here, one quarter there; errors where they come from; a TCP connection is a request;
    and a cluster that came after Envoy's first report is counted.
    """

    async def main() -> None:
        async with LoadBed({"us-east": 750_000, "eu-central": 250_000}) as bed:
            await bed.serve(web=True)
            await bed.offer("web", 50, 1)
            await bed.serve(web=True, late=True, tcp=False)
            before = {name: counted(name, "us-east") for name in ("web", "late", "tcp")}
            await asyncio.gather(
                bed.offer("web", 120, SECONDS),
                bed.offer("late", 60, SECONDS, "/bad"),
                bed.connect("tcp", 40, SECONDS),
            )
            web, late, tcp = (flows(bed, name) for name in ("web", "late", "tcp"))
            await asyncio.sleep(1.5)
            assert sum(flow.mrps for flow in web.values()) == pytest.approx(risen(120), rel=0.1)
            assert web["us-east"].mrps == pytest.approx(risen(90), rel=0.1)
            assert web["eu-central"].mrps == pytest.approx(risen(30), rel=0.1)
            assert web["us-east"].errors == 0
            assert sum(flow.mrps for flow in late.values()) == pytest.approx(risen(60), rel=0.1)
            assert all(flow.errors > 950_000 for flow in late.values())
            assert sum(flow.mrps for flow in tcp.values()) == pytest.approx(risen(40), rel=0.1)
            assert all(flow.errors == 0 for flow in tcp.values())
            assert counted("web", "us-east") - before["web"] == pytest.approx(90 * SECONDS, rel=0.02)

    asyncio.run(main())


def test_an_agent_that_was_away_hears_no_spike() -> None:
    async def main() -> None:
        async with LoadBed({"us-east": 1_000_000}) as bed:
            await bed.serve(web=True)
            load = asyncio.create_task(bed.offer("web", 100, 16))
            await asyncio.sleep(6)
            await bed.xds.stop()
            await asyncio.sleep(4)
            await bed.listen()
            await bed.serve(web=True)
            told = []
            while not load.done():
                await asyncio.sleep(0.5)
                told += [flow.mrps for flow in flows(bed, "web").values()]
            assert max(told) < 100_000 * 1.1
            assert told[-1] == pytest.approx(risen(100, 16), rel=0.15)

    asyncio.run(main())
