"""What a node is told of its own traffic by a real Envoy."""

import asyncio
from collections.abc import Iterable

from prometheus_client import REGISTRY

from federation.model.flows import Flow
from tests.e2e.load_envoy import LoadBed, until

SECONDS, MORE = 12, 48
"""Load before the average over 10 s says much; and at most, until it is right on a machine with other work."""
Way = tuple[str, float, str]
EARLY = 50
WAYS: list[Way] = [
    ("web", 1, ""),
    ("late", 1, ""),
    ("tcp", 1, ""),
    ("web", 0.75, "us-east"),
    ("web", 0.25, "eu-central"),
]


def flows(bed: LoadBed, service: str) -> dict[str, Flow]:
    said = bed.load.book.reports.get(f"flow/shop/{service}")
    return {flow.to: flow for flow in said.flows} if said else {}


def counted(service: str, destination: str, name: str = "isthmus_requests_total") -> float:
    labels = {"source": "us-east", "service": f"shop/{service}", "destination": destination}
    return REGISTRY.get_sample_value(name, labels) or 0


def wrong(bed: LoadBed, ways: Iterable[Way]) -> list[str]:
    """What is told that is not right within 10 %: of a service, or of its part towards one member."""
    found = []
    for service, part, to in ways:
        told = sum(flow.mrps for flow in flows(bed, service).values() if to in ("", flow.to))
        low, high = bed.expected(service)
        if not low * part * 0.9 <= told <= high * part * 1.1:
            found.append(f"{service} {to}: {told}, not {low * part:.0f} to {high * part:.0f}")
    return found


def test_offered_load_is_known_per_service_and_member() -> None:
    """Within 10 %: three quarters here, one quarter there; errors where they come from; a TCP connection is a request;
    and a cluster that came after Envoy's first report is counted.
    """

    async def main() -> None:
        async with LoadBed({"us-east": 750_000, "eu-central": 250_000}) as bed:
            await bed.serve(web=True)
            await bed.offer("web", EARLY, 1)
            await bed.serve(web=True, late=True, tcp=False)
            load = asyncio.gather(
                bed.offer("web", 120, SECONDS + MORE),
                bed.offer("late", 60, SECONDS + MORE, "/bad"),
                bed.connect("tcp", 40, SECONDS + MORE),
            )
            await asyncio.sleep(SECONDS)
            await until(lambda: not wrong(bed, WAYS), MORE, lambda: str(wrong(bed, WAYS)))
            bed.enough = True
            await load
            assert all(flow.errors == 0 for name in ("web", "tcp") for flow in flows(bed, name).values())
            assert all(flow.errors > 950_000 for flow in flows(bed, "late").values())
            failed = counted("late", "us-east", "isthmus_request_errors_total")
            assert abs(failed - counted("late", "us-east")) <= 2, "Envoy reads its counters one after the other"
            await asyncio.sleep(2.5)
            told, asked = counted("web", "us-east") + counted("web", "eu-central"), len(bed.done["web"])
            assert 0.98 * (asked - EARLY) <= told <= asked, "Envoy counts from when it is first asked"

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
            await until(lambda: not wrong(bed, [("web", 1, "")]), 5, lambda: str(wrong(bed, [("web", 1, "")])))

    asyncio.run(main())
