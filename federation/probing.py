"""Health probes of addresses over TCP and HTTP/1.1, and their verdicts: the same for node agents and DNS servers."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Hashable, Mapping
from typing import Generic, TypeVar

from msgspec import Struct

from federation.health.verdict import Limits, Verdict, observe
from federation.model.policy import Probe

log = logging.getLogger("probe")
Key = TypeVar("Key", bound=Hashable)

AT_ONCE = 256
"""Probes that may be out at the same time; more wait for their turn."""


class Target(Struct, frozen=True):
    """What to probe and how. `host` goes into the Host header."""

    address: str
    port: int
    host: str
    probe: Probe


class Prober(Generic[Key]):
    """Keeps a verdict for each wanted target. `changed` is set when one changed."""

    def __init__(self) -> None:
        self.verdicts: dict[Key, Verdict] = {}
        self.changed = asyncio.Event()
        self._wanted: dict[Key, Target] = {}
        self._tasks: dict[Key, asyncio.Task[None]] = {}
        self._room = asyncio.Semaphore(AT_ONCE)
        self._out: set[asyncio.Task[None]] = set()

    def want(self, targets: Mapping[Key, Target]) -> None:
        """Probe these from now on, and nothing else; a target that changed begins anew with what was believed."""
        for key in self._wanted.keys() - targets.keys():
            self._tasks.pop(key).cancel()
            self.verdicts.pop(key, None)
        for key, target in targets.items():
            if self._wanted.get(key) != target:
                if key in self._tasks:
                    self._tasks[key].cancel()
                self._tasks[key] = asyncio.create_task(self._keep(key, target))
        self._wanted = dict(targets)

    def stop(self) -> None:
        """Probe nothing any more."""
        self.want({})
        for task in self._out:
            task.cancel()

    async def _keep(self, key: Key, target: Target) -> None:
        """Begin a probe every interval, whether or not the one before has ended."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            task = asyncio.create_task(self._once(key, target))
            self._out.add(task)
            task.add_done_callback(self._out.discard)
            due = max(due + target.probe.interval_ms / 1_000, loop.time())
            await asyncio.sleep(due - loop.time())

    async def _once(self, key: Key, target: Target) -> None:
        async with self._room:
            good = await answers_well(target)
        if self._wanted.get(key) != target:
            return
        before = self.verdicts.get(key, Verdict())
        limits = Limits(target.probe.unhealthy, target.probe.healthy)
        verdict = observe(before, good, int(time.time() * 1_000), limits)
        self.verdicts[key] = verdict
        if verdict.up != before.up:
            log.info("verdict", extra={"target": str(key), "address": target.address, "up": verdict.up})
            self.changed.set()


async def answers_well(target: Target) -> bool:
    """True when the target passes one probe in time: it takes a connection, and with a path answers 200 to 399."""
    try:
        async with asyncio.timeout(target.probe.timeout_ms / 1_000):
            reader, writer = await asyncio.open_connection(target.address, target.port)
            try:
                return not target.probe.path or await _http(reader, writer, target)
            finally:
                writer.close()
                with contextlib.suppress(OSError):
                    await writer.wait_closed()
    except (OSError, TimeoutError, ValueError, EOFError, asyncio.LimitOverrunError):
        return False


async def _http(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, target: Target) -> bool:
    """One GET (RFC 9112); only the status line counts."""
    lines = (f"GET {target.probe.path} HTTP/1.1", f"Host: {target.host}", "User-Agent: isthmus", "Connection: close")
    writer.write("\r\n".join((*lines, "", "")).encode())
    await writer.drain()
    status = (await reader.readuntil(b"\r\n")).split(b" ", 2)
    return len(status) > 1 and status[0].startswith(b"HTTP/1.") and 200 <= int(status[1]) <= 399
