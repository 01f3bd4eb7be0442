"""A real Envoy beside a workload, served by the central xDS port over mutual TLS."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from msgspec import Struct

from gateways.central import Central
from tests.e2e.envoy_rig import backends, envoy, free_port
from tests.e2e.sidecar_bed import handout, node, put_gateway, sidecar
from tests.unit.gateways.test_workload_api import US, IssuingFeed


@asynccontextmanager
async def central(feed: IssuingFeed, port: int) -> AsyncIterator[Central]:
    program = Central(feed, f"127.0.0.1:{port}")
    running = asyncio.create_task(program.run())
    try:
        yield program
    finally:
        running.cancel()
        await asyncio.wait([running])


class XdsFeed(IssuingFeed):
    """The feed of a program with the role xds."""

    def __init__(self, values: dict[str, Struct]) -> None:
        super().__init__(values)
        self.enrolled = type(self.enrolled)(
            node="x1", role="xds", member="us-east", domain="acme.mesh", controllers=(), anchor=US.anchor
        )


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
