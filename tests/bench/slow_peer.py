"""One of several peers reads at 10 kbit/s: what that costs the others, and the controller.

The controller is a real process with its signer; the peers are simulated by this process over mutual TLS, the slow one
through a forwarder that reads slowly. Rounds with and without it alternate in one run.
"""

from __future__ import annotations

import asyncio
import itertools
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

from tests.bench.resident import megabytes
from tests.bench.row import Row, quantile, rounded, void
from tests.worlds.acme import Keys
from tests.worlds.audience import Follower, following, manifest
from tests.worlds.crowd import admitted
from tests.worlds.public_cli import Site

SLOWED, FAST, ROUNDS, CHANGES = "sync-slow-peer", 4, 10, 100
NAMES = (SLOWED,)
TARGET = 20.0
NOTE = (
    "median of rounds of the p99 of manifest replaced -> verified by each of {fast} peers, with a fifth at 10 kbit/s against without; "
    "{rounds} rounds each in turns, {changes} changes one at a time: p99 {with_it:g} ms against {without:g} ms; the slow one took "
    "{steps} of {all} states and had the newest {late:.1f} s after the last; controller {grown:+.1f} MB resident"
)


class Told:
    """What rounds found: p99 in ms with and without the slow peer, the steps it took and how late the newest was."""

    def __init__(self) -> None:
        self.p99: dict[bool, list[float]] = {True: [], False: []}
        self.steps = 0
        self.late: list[float] = []


def measure(names: tuple[str, ...]) -> list[Row]:
    """One run in a world of its own."""
    with tempfile.TemporaryDirectory() as folder:
        site = Site(Path(folder), ("us-east",))
        try:
            site.found()
            keys = admitted(site, FAST + 1)
            site.run("us-east")
            return [row(asyncio.run(rounds(site, keys)))]
        finally:
            site.stop()


async def rounds(site: Site, keys: Sequence[Keys]) -> tuple[Told, float]:
    """Every round, and by how many MB the controller grew over them."""
    told, numbers, pid = Told(), itertools.count(), site.pid("us-east-controller")
    async with AsyncExitStack() as stack:
        fast = [await stack.enter_async_context(following(site, one)) for one in keys[1:]]
        await stream(site, fast, numbers)
        before = megabytes(pid)
        for _ in range(ROUNDS):
            told.p99[False].append(await stream(site, fast, numbers))
            async with following(site, keys[0], slow=True) as slow:
                last = next(numbers)
                manifest(site, last)
                await asyncio.gather(*(one.has(last) for one in (slow, *fast)))
                known = slow.steps
                told.p99[True].append(await stream(site, fast, numbers))
                told.late.append(await newest(slow, fast[0]))
                told.steps += slow.steps - known
        return told, megabytes(pid) - before


async def stream(site: Site, fast: Sequence[Follower], numbers: Iterator[int]) -> float:
    """So many changes, each once the last one is with all of these; the p99 in ms."""
    samples: list[float] = []
    for number in itertools.islice(numbers, CHANGES):
        begin = time.perf_counter()
        manifest(site, number)
        samples += [(at - begin) * 1_000 for at in await asyncio.gather(*(one.has(number) for one in fast))]
    return quantile(samples, 0.99)


async def newest(slow: Follower, fast: Follower) -> float:
    """Seconds until the slow one holds what the fast one does."""
    begin = time.perf_counter()
    await slow.until(lambda: slow.held.root == fast.held.root)
    return time.perf_counter() - begin


def row(found: tuple[Told, float]) -> Row:
    told, grown = found
    without, with_it = (statistics.median(told.p99[slow]) for slow in (False, True))
    if told.steps >= ROUNDS * CHANGES:
        return void(SLOWED, "% more", "the slow peer was as fast as the others", TARGET)
    note = NOTE.format(
        fast=FAST,
        rounds=ROUNDS,
        changes=CHANGES,
        with_it=rounded(with_it),
        without=rounded(without),
        steps=told.steps,
        all=ROUNDS * CHANGES,
        late=statistics.median(told.late),
        grown=grown,
    )
    return Row(SLOWED, rounded(100 * (with_it / without - 1)), "% more", ROUNDS, note, TARGET)
