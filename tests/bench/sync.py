"""Records between controllers: one change to a peer's view, many members healing at once, a huge member, idle links.

The controller under measurement is a real process with its signer; its peers are simulated by this process, each with
keys of its own, over mutual TLS. What this process costs is in the numbers: they are upper bounds.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path

from federation.model.names import MemberName
from federation.registrar.ledger import decode_ledger, read_ledger
from federation.sync.held import HeldRecord
from tests.bench.row import Row, median_row, quantile, rounded, void
from tests.netns.spaces import await_true
from tests.worlds.acme import Keys, content
from tests.worlds.audience import address, manifest
from tests.worlds.crowd import Crowded, admitted, record, speaking
from tests.worlds.public_cli import Site

CHANGES = 1_000
HEALING = 20
HUGE_SERVICES, HUGE_ENDPOINTS = 5_000, 10
IDLE = 100
IDLE_SECONDS = 30.0
VISIBLE, VISIBLE_P99 = "sync-change-visible", "sync-change-visible-p99"
HEAL, FIRST, FIRST_MB, ONE = "sync-20-members-heal", "sync-first-50000", "sync-first-50000-size", "sync-one-endpoint"
IDLE_BYTES, IDLE_CPU = "link-idle-bytes", "link-idle-cpu"
NAMES = (VISIBLE, VISIBLE_P99, HEAL, FIRST, FIRST_MB, ONE, IDLE_BYTES, IDLE_CPU)
GROUPS: tuple[tuple[str, ...], ...] = ((VISIBLE, VISIBLE_P99), (HEAL,), (FIRST, FIRST_MB, ONE), (IDLE_BYTES, IDLE_CPU))


def measure(names: tuple[str, ...]) -> list[Row]:
    """Each group of rows by one run in a world of its own."""
    runs: tuple[Callable[[], list[Row]], ...] = (visible, heal, huge, idle)
    made = [row for group, run in zip(GROUPS, runs, strict=True) if set(group) & set(names) for row in run()]
    return [row for row in made if row.row in names]


@contextmanager
def member() -> Iterator[Site]:
    """us-east alone, founded and running."""
    with tempfile.TemporaryDirectory() as folder:
        site = Site(Path(folder), ("us-east",))
        try:
            site.found()
            yield site
        finally:
            site.stop()


def visible() -> list[Row]:
    """A manifest changes -> the peer holds the changed slice, verified by every rule."""
    with member() as site:
        (keys,) = admitted(site, 1)
        site.run("us-east")
        ledger = read_ledger(
            decode_ledger(site.folder("us-east").ledger_bytes()), site.folder("us-east").own().federation
        )
        held = HeldRecord(ledger.members[MemberName("us-east")], ledger.members[MemberName(keys.name)])

        async def run() -> list[float]:
            samples = []
            async with speaking(site, keys) as peer:
                manifest(site, 0)
                await taken(peer, held, 0)
                for number in range(1, CHANGES + 1):
                    begin = time.perf_counter()
                    manifest(site, number)
                    await taken(peer, held, number)
                    samples.append((time.perf_counter() - begin) * 1_000)
            return samples

        samples = asyncio.run(run())
    note = "manifest file replaced -> watched, planned, signed, sent, verified by the reader; zero delay, one change at a time"
    first = median_row(VISIBLE, "ms", samples, CHANGES, note)
    return [first, Row(VISIBLE_P99, rounded(quantile(samples, 0.99)), "ms", len(samples), note, 100.0)]


async def taken(peer: Crowded, held: HeldRecord, number: int) -> None:
    """Until the peer's view has this endpoint."""
    async with asyncio.timeout(20):
        while True:
            offered = await peer.offered.get()
            if offered.topic != "record/us-east":
                continue
            held.take(offered.head, offered.tree)
            if any(
                endpoint.address == address(number)
                for one in held.view.values()
                for endpoint in getattr(one, "endpoints", ())
            ):
                return


def heal() -> list[Row]:
    """Members that were away come back at once, each with 200 services of 10 endpoints that nobody holds yet."""
    note = f"{HEALING} sessions dialled at once, each with 2,000 endpoints in 200 services -> all records verified and taken, and the last of 4,000 services planned"
    with member() as site:
        everyone = admitted(site, HEALING)
        site.run("us-east")
        trees = {keys.name: content(*record(keys, 200, 10, prefix=f"{keys.name}-")) for keys in everyone}

        async def run() -> float:
            begin = time.perf_counter()
            async with AsyncExitStack() as stack:

                async def back(keys: Keys) -> None:
                    one = await stack.enter_async_context(speaking(site, keys))
                    answer = await one.say(trees[one.keys.name])
                    assert answer.code == "", answer

                await asyncio.gather(*(back(keys) for keys in everyone))
                await planned(site, 200 * HEALING)
                return time.perf_counter() - begin

        seconds = asyncio.run(run())
    return [Row(HEAL, rounded(seconds), "s", 1, note, 5.0)]


def huge() -> list[Row]:
    """A member with 50,000 endpoints in 5,000 services: the first sync, then one endpoint more."""
    with member() as site:
        (keys,) = admitted(site, 1)
        site.run("us-east")
        whole = content(*record(keys, HUGE_SERVICES, HUGE_ENDPOINTS))
        changed = content(*record(keys, HUGE_SERVICES, HUGE_ENDPOINTS, changed=77))

        async def run() -> tuple[float, int, int]:
            async with speaking(site, keys) as one:
                begin = time.perf_counter()
                answer = await one.say(whole)
                await planned(site, HUGE_SERVICES)
                seconds, first = time.perf_counter() - begin, one.sent
                assert answer.code == "", answer
                await one.say(changed)
                return seconds, first, one.sent - first

        seconds, first, more = asyncio.run(run())
    note = "offered -> verified, taken, and all 5,000 services planned; bytes of session messages, before TLS"
    return [
        Row(FIRST, rounded(seconds), "s", 1, note),
        Row(FIRST_MB, rounded(first / 1e6), "MB", 1, note),
        Row(ONE, float(more), "bytes", 1, "one of the 50,000 endpoints changes; one slice and the signed head", 4096.0),
    ]


def idle() -> list[Row]:
    """So many peers at rest on one controller: what their links cost it."""
    note = f"{IDLE} sessions at rest for {IDLE_SECONDS:g} s, digests every 5 s both ways; per link"
    with member() as site:
        everyone = admitted(site, IDLE)
        site.run("us-east")
        pid = site.pid("us-east-controller")

        async def run() -> tuple[float, float]:
            async with AsyncExitStack() as stack:
                ones = [await stack.enter_async_context(speaking(site, keys)) for keys in everyone]
                await asyncio.gather(*(one.say(content(*record(one.keys, 1, 1))) for one in ones))
                await asyncio.sleep(5)
                before, cpu = sum(one.sent + one.heard for one in ones), processor_seconds(pid)
                await asyncio.sleep(IDLE_SECONDS)
                after, spent = sum(one.sent + one.heard for one in ones), processor_seconds(pid) - cpu
                return (after - before) / IDLE_SECONDS / IDLE, 100 * spent / IDLE_SECONDS / IDLE

        rate, share = asyncio.run(run())
    if rate == 0:
        return [void(IDLE_BYTES, "B/s", "nothing was said"), void(IDLE_CPU, "% of a core", "nothing was said")]
    return [
        Row(IDLE_BYTES, rounded(rate), "B/s", IDLE, note + ", both directions, before TLS"),
        Row(IDLE_CPU, rounded(share), "% of a core", IDLE, note + "; the controller process alone"),
    ]


async def planned(site: Site, services: int) -> None:
    """Until the controller plans so many services."""

    def done() -> bool:
        return site.metrics("us-east")["isthmus_services"] >= services

    await asyncio.to_thread(await_true, f"{services} services are planned", done, 120.0)


def processor_seconds(pid: int) -> float:
    """User and system time of a process (proc(5))."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
