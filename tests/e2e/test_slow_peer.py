"""One peer reads at 10 kbit/s while changes flow: it misses what is overtaken, ends at the newest, and holds nobody up."""

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.worlds.audience import Follower, address, following, manifest
from tests.worlds.crowd import admitted
from tests.worlds.public_cli import Site

CHANGES = 100


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """us-east alone."""
    made = Site(tmp_path, ("us-east",))
    try:
        made.found()
        yield made
    finally:
        made.stop()


def test_a_slow_peer_coalesces_and_converges_while_the_others_see_every_change(site: Site) -> None:
    keys = admitted(site, 3)
    site.run("us-east")

    async def run() -> None:
        async with AsyncExitStack() as stack:
            slow = await stack.enter_async_context(following(site, keys[0], slow=True))
            fast = [await stack.enter_async_context(following(site, one)) for one in keys[1:]]
            manifest(site, 0)
            await asyncio.gather(*(one.has(0) for one in (slow, *fast)))
            await stream(site, fast)
            behind = slow.steps
            await slow.has(CHANGES)
            roots = {one.held.tree.root for one in (slow, *fast)}
            assert len(roots) == 1
            assert behind < CHANGES / 2 and slow.steps - behind <= 3, "what waits is one step and the newest"
            assert all(address(n) in one.taken for one in fast for n in range(CHANGES + 1))

    asyncio.run(run())


async def stream(site: Site, fast: list[Follower]) -> None:
    """Each change once the last one is with all of these."""
    for number in range(1, CHANGES + 1):
        manifest(site, number)
        await asyncio.gather(*(one.has(number) for one in fast))
