"""One gateway's agent with a handout of many offers, then one change after another.

Usage: gateway_scale_child.py OFFERS. Prints one JSON object: of each kind of change milliseconds until the bytes are offered,
and those of the processor until the pass has ended.
"""

import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[0] = str(ROOT)

from msgspec import Struct  # noqa: E402

from federation.wire.keyed import encode  # noqa: E402
from tests.bench.agent_scale_child import Watched  # noqa: E402
from tests.bench.gateway_changes import kinds, values  # noqa: E402
from tests.unit.gateways.test_daemon import MemoryFeed  # noqa: E402

RUNS = 60
WARM = 6
"""Changes before those that count: first times make caches."""


async def measured(offers: int) -> dict[str, dict[str, list[float]]]:
    """Each kind of change, RUNS times."""
    feed = MemoryFeed("gateway", values(offers))
    found: dict[str, dict[str, list[float]]] = {}
    with tempfile.TemporaryDirectory(prefix="ist-") as folder:
        agent = Watched("gateway", feed, Path(folder))
        task = asyncio.create_task(agent.run())
        try:
            await agent.offers("gateway")
            for name, kind in kinds(offers).items():
                runs = [await changed(agent, feed, kind.change(run), kind.resource) for run in range(WARM + RUNS)]
                offered, cpu = zip(*runs[WARM:], strict=True)
                found[name] = {"offered": list(offered), "cpu": list(cpu)}
        finally:
            task.cancel()
            await asyncio.wait([task])
    return found


async def changed(
    agent: Watched, feed: MemoryFeed, new: dict[str, Struct | None], resource: str
) -> tuple[float, float]:
    """Milliseconds until this resource is offered, and of the processor until the pass has ended."""
    gone = frozenset(key for key, value in new.items() if value is None)
    tree = feed.tree.apply({key: encode(value) for key, value in new.items() if value is not None}, gone)
    assert tree.root != feed.tree.root, "nothing changed"
    await agent.rested()
    agent.offered.clear()
    feed.values.update({key: value for key, value in new.items() if value is not None})
    for key in gone:
        del feed.values[key]
    feed.tree = tree
    begin, busy = time.perf_counter(), time.process_time()
    agent.rests.clear()
    feed.changed.set()
    offered = await agent.offers(resource)
    return (offered - begin) * 1_000, (time.process_time() - busy) * 1_000


if __name__ == "__main__":
    print(json.dumps(asyncio.run(measured(int(sys.argv[1])))))
