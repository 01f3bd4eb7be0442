"""What a node is told of its own traffic by a real Envoy."""

import asyncio

from prometheus_client import REGISTRY

from federation.model.handout import Flow
from tests.e2e.load_envoy import LoadBed, until

SECONDS = 12


def flows(bed: LoadBed, service: str) -> dict[str, Flow]:
    said = bed.load.book.reports.get(f"flow/shop/{service}")
    return {flow.to: flow for flow in said.flows} if said else {}


def counted(service: str, destination: str, name: str = "isthmus_requests_total") -> float:
    labels = {"source": "us-east", "service": f"shop/{service}", "destination": destination}
    return REGISTRY.get_sample_value(name, labels) or 0


def holds(bed: LoadBed, service: str, part: float = 1, to: str | None = None) -> bool:
    """True when what is told of the service (towards one member: that part of it) is right within 10 %."""
    told = sum(flow.mrps for flow in flows(bed, service).values() if to in (None, flow.to))
    low, high = bed.expected(service)
    return low * part * 0.9 <= told <= high * part * 1.1


def test_offered_load_is_known_per_service_and_member() -> None:
    """Within 10 %: three quarters here, one quarter there; errors where they come from; a TCP connection is a request;
    and a cluster that came after Envoy's first report is counted.
    """

    async def main() -> None:
        async with LoadBed({"us-east": 750_000, "eu-central": 250_000}) as bed:
            await bed.serve(web=True)
            await bed.offer("web", 50, 1)
            await bed.serve(web=True, late=True, tcp=False)
            await asyncio.gather(
                bed.offer("web", 120, SECONDS),
                bed.offer("late", 60, SECONDS, "/bad"),
                bed.connect("tcp", 40, SECONDS),
            )
            await until(lambda: all(holds(bed, name) for name in ("web", "late", "tcp")), 5)
            assert holds(bed, "web", 0.75, "us-east") and holds(bed, "web", 0.25, "eu-central")
            assert all(flow.errors == 0 for name in ("web", "tcp") for flow in flows(bed, name).values())
            assert all(flow.errors > 950_000 for flow in flows(bed, "late").values())
            failed = counted("late", "us-east", "isthmus_request_errors_total")
            assert abs(failed - counted("late", "us-east")) <= 2, "Envoy reads its counters one after the other"
            asked = len(bed.done["web"])
            await until(lambda: counted("web", "us-east") + counted("web", "eu-central") == asked, 5)

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
            while not load.done():
                await asyncio.sleep(0.5)
                told = sum(flow.mrps for flow in flows(bed, "web").values())
                assert told <= bed.expected("web", 5)[1] * 1.1
            await until(lambda: holds(bed, "web"), 5)

    asyncio.run(main())
