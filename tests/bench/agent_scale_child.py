"""One node agent with a handout of many services, from nothing, then one changed endpoint after another.

Usage: agent_scale_child.py ROLE SERVICES. Prints one JSON object: seconds from nothing and those of the processor,
megabytes, and of each change milliseconds until the bytes are offered, until the pass that did it has ended, and those of
the processor.
"""

import asyncio
import gc
import json
import resource
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import cast

ROOT = Path(__file__).resolve().parents[2]
sys.path[0] = str(ROOT)

from federation.model.handout import Role  # noqa: E402
from federation.wire.keyed import encode  # noqa: E402
from gateways.daemon import Agent  # noqa: E402
from gateways.kernel.memory import Twin  # noqa: E402
from gateways.xds.messages import Snapshot  # noqa: E402
from tests.unit.gateways.test_daemon import MemoryFeed  # noqa: E402
from tests.worlds.many_services import GATEWAY, NODE, Scale, handout, import_of, pool_of  # noqa: E402

RUNS = 200
WARM = 10
"""Changes before those that count: first times make caches."""


class Watched(Agent):
    """An agent that tells what it offered, and when it rests."""

    def __init__(self, role: Role, feed: MemoryFeed, folder: Path) -> None:
        super().__init__(feed, GATEWAY if role == "gateway" else NODE, Twin().kernel, folder / "xds.sock")
        self.offered: dict[str, float] = {}
        self.rests = asyncio.Event()
        offer = self._xds.offer

        def watched(snapshot: Snapshot, changed: Iterable[tuple[str, str]] | None = None) -> None:
            offer(snapshot, changed)
            now = time.perf_counter()
            self.offered.update({name: now for _, name in changed or ()})

        self._xds.offer = watched  # type: ignore[method-assign]

    async def rested(self) -> None:
        """Until nothing is left to do."""
        await self.rests.wait()

    async def _wait(self) -> None:
        self.rests.set()
        await super()._wait()
        self.rests.clear()

    async def offers(self, name: str) -> float:
        """When it offered this, once it has and the pass has ended."""
        async with asyncio.timeout(120):
            while name not in self.offered:
                self.rests.clear()
                await self.rests.wait()
            await self.rests.wait()
        return self.offered[name]


async def measured(role: Role, services: int) -> dict[str, object]:
    """Everything that the parent wants to know."""
    scale = Scale(services=services)
    values = handout(scale)
    feed = MemoryFeed(role, values)
    gc.collect()
    before = resident()
    with tempfile.TemporaryDirectory(prefix="ist-") as folder:
        begin, busy = time.perf_counter(), time.process_time()
        agent = Watched(role, feed, Path(folder))
        task = asyncio.create_task(agent.run())
        try:
            cold = await agent.offers(name_of(role, services - 1)) - begin
            cold_cpu = time.process_time() - busy
            grown = resident() - before
            samples = [await changed(agent, feed, role, scale, run) for run in range(WARM + RUNS)][WARM:]
        finally:
            task.cancel()
            await asyncio.wait([task])
    offered, whole, cpu = zip(*samples, strict=True)
    return {
        "cold": cold,
        "cold_cpu": cold_cpu,
        "grown": grown,
        "resident": resident(),
        "offered": offered,
        "whole": whole,
        "cpu": cpu,
    }


async def changed(agent: Watched, feed: MemoryFeed, role: Role, scale: Scale, run: int) -> tuple[float, float, float]:
    """Milliseconds after one endpoint of one service went, or came back, in a handout as a controller changes it."""
    number = run * 7 % scale.services
    ready = scale.local - 1 - run // scale.services % 2
    new = {
        f"import/apps/s{number}": import_of(scale, number, ready),
        f"pool/apps/s{number}/a/http": pool_of(scale, number, ready),
    }
    tree = feed.tree.apply({key: encode(value) for key, value in new.items()})
    assert tree.root != feed.tree.root, "nothing changed"
    await agent.rested()
    agent.offered.clear()
    feed.values.update(new)
    feed.tree = tree
    begin, busy = time.perf_counter(), time.process_time()
    agent.rests.clear()
    feed.changed.set()
    offered = await agent.offers(name_of(role, number))
    ended = time.perf_counter()
    return (offered - begin) * 1_000, (ended - begin) * 1_000, (time.process_time() - busy) * 1_000


def name_of(role: Role, number: int) -> str:
    """A load assignment of this service."""
    return f"in/apps/s{number}/http" if role == "gateway" else f"out/apps/s{number}/http/ns/apps/sa/w0"


def resident() -> float:
    """The greatest resident memory of this process so far, in megabytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1_024


if __name__ == "__main__":
    print(json.dumps(asyncio.run(measured(cast(Role, sys.argv[1]), int(sys.argv[2])))))
