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


EACH_AT_ONCE = 2
"""Probes of one target that may be out at the same time; while they are, none begins."""


class Target(Struct, frozen=True):
    """What to probe and how. `host` goes into the Host header; `also` is another port that will do (0: none).

    Targets of one `group` share the room for probes, so that those who hang hold up their own kind only.
    """

    address: str
    port: int
    host: str
    probe: Probe
    also: int = 0
    group: str = ""


class Prober(Generic[Key]):
    """Keeps a verdict for each wanted target. `changed` is set when one changed.

    `failing` are those that are down: the same object until one of them falls or rises.
    """

    def __init__(self) -> None:
        self.verdicts: dict[Key, Verdict] = {}
        self.failing: frozenset[Key] = frozenset()
        self.changed = asyncio.Event()
        self._wanted: dict[Key, Target] = {}
        self._tasks: dict[Key, asyncio.Task[None]] = {}
        self._rooms: dict[str, asyncio.Semaphore] = {}
        self._out: dict[Key, set[asyncio.Task[None]]] = {}

    def want(self, targets: Mapping[Key, Target]) -> None:
        """Probe these from now on, and nothing else; a target that changed begins anew with what was believed."""
        gone: dict[Key, Target | None] = dict.fromkeys(self._wanted.keys() - targets.keys())
        self.adjust({**gone, **targets})

    def adjust(self, targets: Mapping[Key, Target | None]) -> None:
        """As `want` for these alone (None: probe it no more); all others stay as they are."""
        for key, target in targets.items():
            if self._wanted.get(key) == target:
                continue
            if key in self._tasks:
                self._tasks.pop(key).cancel()
            if target is None:
                del self._wanted[key]
                self.verdicts.pop(key, None)
                self.failing -= {key}
            else:
                self._wanted[key] = target
                self._tasks[key] = asyncio.create_task(self._keep(key, target))

    async def stop(self) -> None:
        """Probe nothing any more; comes back when every connection is closed."""
        self.want({})
        out = [task for tasks in self._out.values() for task in tasks]
        for task in out:
            task.cancel()
        await asyncio.gather(*out, return_exceptions=True)

    async def _keep(self, key: Key, target: Target) -> None:
        """Begin a probe every interval, also while the one before is out."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            if len(self._out.get(key, ())) < EACH_AT_ONCE:
                self._begin(key, target)
            due = max(due + target.probe.interval_ms / 1_000, loop.time())
            await asyncio.sleep(due - loop.time())

    def _begin(self, key: Key, target: Target) -> None:
        out = self._out.setdefault(key, set())
        task = asyncio.create_task(self._once(key, target))
        out.add(task)

        def ended(task: asyncio.Task[None]) -> None:
            out.discard(task)
            if not out and self._out.get(key) is out:
                del self._out[key]

        task.add_done_callback(ended)

    async def _once(self, key: Key, target: Target) -> None:
        async with self._rooms.setdefault(target.group, asyncio.Semaphore(AT_ONCE)):
            good = await answers_well(target)
        if self._wanted.get(key) != target:
            return
        before = self.verdicts.get(key, Verdict())
        limits = Limits(target.probe.unhealthy, target.probe.healthy)
        verdict = observe(before, good, int(time.time() * 1_000), limits)
        self.verdicts[key] = verdict
        if verdict.up != before.up:
            log.info("verdict", extra={"target": str(key), "address": target.address, "up": verdict.up})
            self.failing = self.failing - {key} if verdict.up else self.failing | {key}
            self.changed.set()


async def answers_well(target: Target) -> bool:
    """True when the target passes one probe in time: it takes a connection, and with a path answers 200 to 399."""
    ports = [port for port in (target.port, target.also) if port]
    return any(await asyncio.gather(*(_passes(target, port) for port in ports)))


async def _passes(target: Target, port: int) -> bool:
    try:
        async with asyncio.timeout(target.probe.timeout_ms / 1_000):
            reader, writer = await asyncio.open_connection(target.address, port)
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
