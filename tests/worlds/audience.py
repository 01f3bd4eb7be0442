"""Peers of us-east that follow its record: some as fast as they can, one behind a slow line."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Callable

from federation.model.ledger import Ledger
from federation.model.names import MemberName
from federation.registrar.ledger import decode_ledger, read_ledger
from federation.sync.held import HeldRecord
from tests.worlds.acme import Keys
from tests.worlds.crowd import Crowded, speaking
from tests.worlds.public_cli import Site
from tests.worlds.slow_line import slow_line

SECONDS = 60.0


class Follower:
    """One peer that verifies and holds us-east's record. `taken` is when it had each address, `steps` counts what came."""

    def __init__(self, peer: Crowded, ledger: Ledger) -> None:
        self.held = HeldRecord(ledger.members[MemberName("us-east")], ledger.members[peer.keys.name])
        self.peer = peer
        self.steps = 0
        self.taken: dict[str, float] = {}
        self._moved = asyncio.Condition()

    async def run(self) -> None:
        """Take what is offered, until cancelled."""
        while True:
            offered = await self.peer.offered.get()
            if offered.topic != "record/us-east":
                continue
            self.held.take(offered.head, offered.tree)
            self.steps += 1
            now = time.perf_counter()
            for one in self.held.view.values():
                for endpoint in getattr(one, "endpoints", ()):
                    self.taken.setdefault(endpoint.address, now)
            async with self._moved:
                self._moved.notify_all()

    async def has(self, number: int) -> float:
        """When it had the address of this number; waits for it."""
        wanted = address(number)
        await self.until(lambda: wanted in self.taken)
        return self.taken[wanted]

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until this holds; it is looked at after each step."""
        async with asyncio.timeout(SECONDS), self._moved:
            await self._moved.wait_for(condition)


@contextlib.asynccontextmanager
async def following(site: Site, keys: Keys, slow: bool = False) -> AsyncIterator[Follower]:
    """A follower with a session."""
    folder = site.folder("us-east")
    ledger = read_ledger(decode_ledger(folder.ledger_bytes()), folder.own().federation)
    async with contextlib.AsyncExitStack() as stack:
        by = await stack.enter_async_context(slow_line(site.listen)) if slow else ""
        one = Follower(await stack.enter_async_context(speaking(site, keys, by)), ledger)
        task = asyncio.create_task(one.run())
        try:
            yield one
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


def manifest(site: Site, number: int) -> None:
    """us-east offers shop/web with one endpoint, another by number; the file is replaced as a whole."""
    meta = {"metadata": {"namespace": "shop", "name": "web"}}
    labels = {"metadata": {"namespace": "shop", "name": "web-1", "labels": {"kubernetes.io/service-name": "web"}}}
    ports = [{"name": "http", "port": 80}]
    made = (
        {"apiVersion": "v1", "kind": "Service", "spec": {"ports": ports}} | meta,
        {"apiVersion": "multicluster.x-k8s.io/v1beta1", "kind": "ServiceExport"} | meta,
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "addressType": "IPv4",
            "ports": ports,
            "endpoints": [{"addresses": [address(number)]}],
        }
        | labels,
    )
    path = site.path / "us-east" / "manifests" / "web.yaml"
    path.with_suffix(".new").write_text("\n---\n".join(map(json.dumps, made)))
    path.with_suffix(".new").rename(path)


def address(number: int) -> str:
    """An address of us-east, another for each number up to 60,000."""
    return f"10.1.{1 + number // 250}.{1 + number % 250}"
