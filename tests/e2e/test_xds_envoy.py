"""Both variants of ADS against a real Envoy (research/xds-trust.md 2.7): `test_2_7_N_...` is rule N."""

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from gateways.xds.messages import CDS, EDS, LDS, RDS, Snapshot
from tests.e2e.xds_envoy import VARIANTS, Backend, Bed, envoy_bed
from tests.worlds.xds_resources import cluster, endpoints, listener, locality, route, world

pytestmark = pytest.mark.parametrize("variant", VARIANTS)


@pytest.fixture(scope="module")
def backends() -> Iterator[tuple[Backend, Backend]]:
    pair = Backend("one"), Backend("two")
    yield pair
    for backend in pair:
        backend.close()


def small(bed: Bed, port: int, name: str = "web", timeout: str = "1s") -> Snapshot:
    """One service behind one route."""
    return world(
        clusters=[cluster(name, connect_timeout=timeout)],
        endpoints=[endpoints(name, locality([port]))],
        listeners=[listener("in", bed.port, "routes")],
        routes=[route("routes", name)],
    )


def play(variant: str, act: Callable[[Bed], Awaitable[None]]) -> None:
    async def main() -> None:
        with tempfile.TemporaryDirectory() as folder:
            async with envoy_bed(Path(folder), variant) as bed:
                await act(bed)

    asyncio.run(main())


def test_2_7_2_an_envoy_boots_and_holds_all_types(variant: str, backends: tuple[Backend, Backend]) -> None:
    async def act(bed: Bed) -> None:
        bed.server.offer(small(bed, backends[0].port))
        await bed.until(bed.server.settled)
        await bed.answers("one")
        assert {type_url for type_url, _ in bed.sent} == {CDS, EDS, LDS, RDS}

    play(variant, act)


def test_2_7_3_one_endpoint_changes_and_nothing_else_is_sent(variant: str, backends: tuple[Backend, Backend]) -> None:
    async def act(bed: Bed) -> None:
        bed.server.offer(small(bed, backends[0].port))
        await bed.answers("one")
        await bed.until(bed.server.settled)
        bed.sent.clear()
        bed.server.offer(small(bed, backends[1].port), {(EDS, "web")})
        await bed.answers("two")
        assert bed.sent == [(EDS, ("web",))]

    play(variant, act)


def test_2_7_7_make_before_break_loses_no_request(variant: str, backends: tuple[Backend, Backend]) -> None:
    async def act(bed: Bed) -> None:
        bed.server.offer(small(bed, backends[0].port, "web0"))
        await bed.answers("one")
        said: list[str] = []

        async def ask() -> None:
            while True:
                said.append(await bed.get())

        asking = asyncio.create_task(ask())
        for number in range(1, 6):
            await bed.until(bed.server.settled)
            bed.server.offer(small(bed, backends[number % 2].port, f"web{number}"))
            await bed.answers(("one", "two")[number % 2])
        await bed.until(bed.server.settled)
        asking.cancel()
        assert set(said) == {"one", "two"} and len(said) > 5

    play(variant, act)


def test_2_7_8_a_changed_cluster_is_warm_at_once(variant: str, backends: tuple[Backend, Backend]) -> None:
    async def act(bed: Bed) -> None:
        bed.server.offer(small(bed, backends[0].port))
        await bed.until(bed.server.settled)
        began = time.monotonic()
        bed.server.offer(small(bed, backends[0].port, timeout="2s"))
        await bed.until(lambda: bed.server.holds(CDS), 14)
        assert time.monotonic() - began < 5, "it warmed until initial_fetch_timeout"

    play(variant, act)


def test_2_7_8_a_cluster_that_changed_while_we_were_away_is_warm_at_once(
    variant: str, backends: tuple[Backend, Backend]
) -> None:
    async def act(bed: Bed) -> None:
        bed.server.offer(small(bed, backends[0].port))
        await bed.until(bed.server.settled)
        await bed.server.stop()
        await bed.serve()
        bed.server.offer(small(bed, backends[0].port, timeout="2s"))
        await bed.until(lambda: bed.server.connected)
        began = time.monotonic()
        await bed.until(bed.server.settled, 14)
        assert time.monotonic() - began < 5, "it warmed until initial_fetch_timeout"
        assert await bed.get() == "one"

    play(variant, act)


def test_2_7_10_one_bad_cluster_is_quarantined_and_the_good_one_applied(
    variant: str, backends: tuple[Backend, Backend]
) -> None:
    async def act(bed: Bed) -> None:
        bed.server.offer(small(bed, backends[0].port))
        await bed.answers("one")
        await bed.until(bed.server.settled)
        both = world(
            clusters=[cluster("web"), cluster("bad", lb_policy="CLUSTER_PROVIDED"), cluster("new")],
            endpoints=[endpoints(name, locality([backends[1].port])) for name in ("web", "bad", "new")],
            listeners=[listener("in", bed.port, "routes")],
            routes=[route("routes", "new")],
        )
        bed.server.offer(both)
        await bed.answers("two")
        (problem,) = bed.server.problems()
        assert problem.startswith("E190 envoy refuses Cluster bad: ")
        bed.sent.clear()
        bed.server.offer({**both, EDS: {**both[EDS], "web": endpoints("web", locality([backends[0].port]))}})
        await bed.until(lambda: bed.server.holds(EDS))
        assert [one for one in bed.sent if one[0] in (CDS, EDS)] == [(EDS, ("web",))]
        bed.server.offer({**both, CDS: {**both[CDS], "bad": cluster("bad")}})
        await bed.until(bed.server.settled)
        assert bed.server.problems() == ()

    play(variant, act)


def test_2_7_11_a_server_that_restarts_sends_nothing_to_who_is_current(
    variant: str, backends: tuple[Backend, Backend]
) -> None:
    async def act(bed: Bed) -> None:
        bed.server.offer(small(bed, backends[0].port))
        await bed.answers("one")
        await bed.until(bed.server.settled)
        await bed.server.stop()
        assert await bed.get() == "one"
        await bed.serve()
        bed.server.offer(small(bed, backends[0].port))
        await bed.until(bed.server.settled)
        await bed.until(lambda: bed.server.holds(RDS) and bed.server.holds(EDS))
        assert bed.sent == [] and await bed.get() == "one"

    play(variant, act)


def test_2_7_12_an_emptied_service_is_empty_and_a_vanished_one_stays(
    variant: str, backends: tuple[Backend, Backend]
) -> None:
    async def act(bed: Bed) -> None:
        first = small(bed, backends[0].port)
        bed.server.offer(first)
        await bed.answers("one")
        await bed.until(bed.server.settled)
        bed.server.offer({**first, EDS: {}})
        await bed.until(bed.server.settled)
        assert await bed.get() == "one"
        bed.server.offer({**first, EDS: {"web": endpoints("web")}})
        await bed.answers("503")

    play(variant, act)
