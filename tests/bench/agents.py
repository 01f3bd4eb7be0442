"""Node agents on one controller: all connect at once, one change reaches the last, a restart sends nothing again.

The controller and its signer are real processes. The agents are simulated by this process, each with its own certificate
over mutual TLS; both share two cores, so what an agent costs here is in the time.
"""

from __future__ import annotations

import asyncio
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.bench.resident import megabytes
from tests.bench.row import Row, rounded, void
from tests.bench.sync import processor_seconds
from tests.netns.spaces import await_true
from tests.worlds.audience import address, manifest
from tests.worlds.public_cli import Site
from tests.worlds.swarm import Swarm

COUNTS = (1_000, 5_000, 10_000)
WHAT = ("connect", "change", "session-memory", "restart-resent")
NAMES = tuple(f"agents-{count}-{what}" for count in COUNTS for what in WHAT)
TARGETS = {"agents-10000-connect": 20.0, "agents-10000-change": 2.0}
SESSION_KB = 130.0
SECONDS = 300.0


def measure(names: tuple[str, ...]) -> list[Row]:
    """All rows of one count by one run."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    wanted = [count for count in COUNTS if any(name.startswith(f"agents-{count}-") for name in names)]
    return [row for count in wanted for row in one(count) if row.row in names]


def one(count: int) -> list[Row]:
    """So many agents, from nothing to all current, through one change and one restart of the controller."""
    with tempfile.TemporaryDirectory() as folder:
        site = Site(Path(folder), ("us-east",))
        try:
            site.found()
            site.run("us-east")
            manifest(site, 0)
            swarm = Swarm(site, count)
            await_true("the agents are known", lambda: len(site.status("us-east")["nodes"]) == count, 60)
            return asyncio.run(rows(site, swarm, count))
        finally:
            site.stop()


async def rows(site: Site, swarm: Swarm, count: int) -> list[Row]:
    """The four rows of this count."""
    pid = site.pid("us-east-controller")
    memory, cpu, ours = megabytes(pid), processor_seconds(pid), time.process_time()
    try:
        begin = time.perf_counter()
        swarm.dial()
        await until("all are current", lambda: all(len(agent.tree) for agent in swarm.agents))
        connect = time.perf_counter() - begin
        spent = f"controller {processor_seconds(pid) - cpu:.1f} s and simulated agents {time.process_time() - ours:.1f} s of processor time on two cores"
        await asyncio.sleep(6)
        each = (megabytes(pid) - memory) * 1e3 / count
        roots = {agent.name: agent.tree.root for agent in swarm.agents}
        begin = time.perf_counter()
        manifest(site, 1)
        await until("all have the change", lambda: all(agent.tree.root != roots[agent.name] for agent in swarm.agents))
        change = max(agent.at for agent in swarm.agents) - begin
        took = sum(agent.took for agent in swarm.agents)
        site.kill("us-east-controller")
        await asyncio.to_thread(site.run_controller, "us-east")
        await until("all are current again", lambda: current(site) == count)
        again = sum(agent.took for agent in swarm.agents) - took
    except AssertionError as error:
        return [void(f"agents-{count}-{what}", "", str(error)) for what in WHAT]
    finally:
        await swarm.stop()
    note = f"{count} agents, one workload each; {spent}"
    return [
        Row(f"agents-{count}-connect", rounded(connect), "s", 1, note, TARGETS.get(f"agents-{count}-connect")),
        Row(
            f"agents-{count}-change",
            rounded(change),
            "s",
            1,
            f"manifest replaced -> the last of {count} holds {address(1)}",
            TARGETS.get(f"agents-{count}-change"),
        ),
        Row(
            f"agents-{count}-session-memory",
            rounded(each),
            "KB",
            count,
            "growth of the controller's resident memory per session",
            SESSION_KB,
        ),
        Row(
            f"agents-{count}-restart-resent",
            float(again),
            "resources",
            1,
            "the controller is killed and started: sent again to agents that hold them",
            1.0,
        ),
    ]


def current(site: Site) -> int:
    """How many agents say that the handout which they should have is in force."""
    return sum(1 for row in site.status("us-east")["nodes"] if row["current"])


async def until(what: str, condition: Callable[[], bool]) -> None:
    """Poll a condition beside the event loop. AssertionError naming `what` after SECONDS."""
    await asyncio.to_thread(await_true, what, condition, SECONDS)
