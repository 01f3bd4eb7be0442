"""A real Envoy beside a workload, served by the central xDS port over mutual TLS."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from gateways.central import Central
from tests.e2e.envoy_rig import backends, envoy
from tests.e2e.sidecar_bed import handout, node, put_gateway, sidecar
from tests.unit.gateways.test_central_program import XdsFeed
from tests.unit.gateways.test_workload_api import CLIENT, US
from tests.worlds.ports import free_port


@asynccontextmanager
async def central(feed: XdsFeed, port: int) -> AsyncIterator[Central]:
    program = Central(feed, f"127.0.0.1:{port}")
    running = asyncio.create_task(program.run())
    try:
        yield program
    finally:
        running.cancel()
        await asyncio.wait([running])


@pytest.mark.parametrize("variant", ["DELTA_GRPC", "GRPC"])
def test_2_7_18_a_sidecar_goes_home_and_abroad_with_its_own_leaf(variant: str) -> None:
    async def main() -> None:
        home, pod = backends("home", "pod")
        listener, port = free_port(), free_port()
        feed = XdsFeed(handout(listener, home))
        async with envoy((home, pod)) as gateway, node() as here, central(feed, port) as program:
            await put_gateway(gateway, pod)
            async with sidecar(here.path, port, variant) as proxy:
                await proxy.answers(listener, "home")
                feed.hand_out(handout(listener, None))
                await proxy.answers(listener, "pod")
                await proxy.until(program.server.settled)

    asyncio.run(main())


def test_2_9_a_new_leaf_is_taken_up_and_no_request_is_lost() -> None:
    async def main() -> None:
        home, pod = backends("home", "pod")
        listener, port = free_port(), free_port()
        content = handout(listener, None)
        async with envoy((home, pod)) as gateway, node() as here:
            await put_gateway(gateway, pod)
            async with central(XdsFeed(content), port) as program, sidecar(here.path, port) as proxy:
                await proxy.answers(listener, "pod")
                await proxy.until(program.server.settled)
                statuses = [await proxy.get(listener)]
                for _ in range(3):
                    taken = await proxy.stat("ssl_context_update_by_sds$")
                    here.feed.rotate(CLIENT)
                    async with asyncio.timeout(15):
                        while await proxy.stat("ssl_context_update_by_sds$") == taken:
                            statuses.append(await proxy.get(listener))
                statuses += [await proxy.get(listener) for _ in range(20)]
                assert set(statuses) == {"pod"}

    asyncio.run(main())


def test_an_envoy_that_claims_to_be_another_workload_gets_nothing() -> None:
    async def main() -> None:
        home, _ = backends("home", "pod")
        listener, port = free_port(), free_port()
        other = US.identity("shop", "other")
        feed = XdsFeed(handout(listener, home))
        async with (
            node() as here,
            central(feed, port) as program,
            sidecar(here.path, port, identity=other) as proxy,
        ):
            await proxy.said(f"may not act as {other}")
            assert program.server.streams == 0 and program.server.wanted == frozenset()

    asyncio.run(main())
