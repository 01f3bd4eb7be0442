"""Verdicts on very many targets: ways of probing, paced, on the event loop."""

from __future__ import annotations

import asyncio
import logging
import resource
import secrets
import time
from collections.abc import Hashable, Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Generic, TypeVar

from federation.health.compose import composed
from federation.health.verdict import Limits, Verdict, observe
from federation.probing.command import Programs
from federation.probing.icmp import Echoes
from federation.probing.pacer import Job, Pacer
from federation.probing.sockets import Sockets
from federation.probing.target import Composite, Target, Way

log = logging.getLogger("probe")
Key = TypeVar("Key", bound=Hashable)

AT_ONCE = 4_096
"""Probes of one group that may be out at the same time, if files may be open for four such groups; more wait."""

NO_COMMANDS: Mapping[str, Path] = MappingProxyType({})
UNKNOWN = Verdict()


class Prober(Generic[Key]):
    """`verdicts` by key, of whom there is a first one. `changed` is set when one changed; `changes` counts them."""

    def __init__(self, commands: Mapping[str, Path] = NO_COMMANDS, at_once: int = 0) -> None:
        """`commands` are the programs that probes may name, `at_once` another number than AT_ONCE."""
        self.verdicts: dict[Key, Verdict] = {}
        self.changed = asyncio.Event()
        self.changes = 0
        self._kept: dict[Key, _Kept] = {}
        self._down: set[Key] = set()
        self._failing: frozenset[Key] | None = frozenset()
        self._ways = _Ways(commands)
        self._pacer = Pacer(self._ways.of, _clock, at_once or _room(), self._wind, secrets.randbits(32))
        self._timer: asyncio.TimerHandle | None = None
        self._wound = 0

    @property
    def failing(self) -> frozenset[Key]:
        """Those that are down: the same object until one of them falls or rises."""
        if self._failing is None:
            self._failing = frozenset(self._down)
        return self._failing

    def want(self, targets: Mapping[Key, Composite]) -> None:
        """Probe these from now on, and nothing else; a target that changed begins anew with what was believed."""
        gone: dict[Key, Composite | None] = dict.fromkeys(self._kept.keys() - targets.keys())
        self.adjust({**gone, **targets})

    def adjust(self, targets: Mapping[Key, Composite | None]) -> None:
        """As `want` for these alone (None: probe it no more); all others stay as they are."""
        for key, wanted in targets.items():
            before = self._kept.get(key)
            if (before.wanted if before else None) == wanted:
                continue
            for job in before.jobs if before else ():
                self._pacer.end(job)
            if wanted is None:
                del self._kept[key]
                self.verdicts.pop(key, None)
                self._note(key, True)
            else:
                self._kept[key] = self._begun(key, wanted, before)
        self._wind()

    async def stop(self) -> None:
        """Probe nothing any more; comes back when every connection is closed."""
        self.want({})
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        await self._ways.close()

    def parts(self, key: Key) -> tuple[Verdict, ...]:
        """The verdict of each probe of this target, in their order; none: it is not probed."""
        return tuple(self._kept[key].parts) if key in self._kept else ()

    def problems(self) -> tuple[str, ...]:
        """One line for each reason for which targets cannot be probed."""
        return self._pacer.problems()

    def _begun(self, key: Key, wanted: Composite, before: _Kept | None) -> _Kept:
        count = len(wanted.parts)
        parts = before.parts if before and len(before.parts) == count else [UNKNOWN] * count
        kept = _Kept(wanted, parts)
        kept.jobs = tuple(
            self._pacer.keep(one, partial(self._heard, key, kept, n)) for n, one in enumerate(wanted.parts)
        )
        return kept

    def _heard(self, key: Key, kept: _Kept, number: int, good: bool) -> None:
        probe, now = kept.wanted.parts[number].probe, int(time.time() * 1_000)
        seen, before = kept.parts[number], self.verdicts.get(key, UNKNOWN)
        fresh = kept.parts[number] = observe(seen, good, now, Limits(probe.unhealthy, probe.healthy))
        if fresh == seen:
            return
        verdict = composed(before, kept.parts, kept.wanted.need, now)
        if verdict != UNKNOWN:
            self.verdicts[key] = verdict
        if verdict.up != before.up:
            log.info("verdict", extra={"target": str(key), "address": kept.wanted.parts[0].address, "up": verdict.up})
            self._note(key, verdict.up is not False)
        if verdict.up != before.up or fresh.up != seen.up:
            self.changes += 1
            self.changed.set()

    def _note(self, key: Key, up: bool) -> None:
        """Copied only when somebody looks: very many may fall at once."""
        if up == (key in self._down):
            self._down.symmetric_difference_update((key,))
            self._failing = None

    def _turn(self) -> None:
        self._timer = None
        self._pacer.turn()
        self._wind()

    def _wind(self) -> None:
        """Wake when the next thing is due."""
        due = self._pacer.next()
        if due is not None and (self._timer is None or due < self._wound):
            if self._timer is not None:
                self._timer.cancel()
            self._wound = due
            self._timer = asyncio.get_running_loop().call_at(due / 1_000, self._turn)


class _Kept:
    """What is known of one key."""

    __slots__ = ("jobs", "parts", "wanted")

    def __init__(self, wanted: Composite, parts: list[Verdict]) -> None:
        self.wanted, self.parts = wanted, parts
        self.jobs: tuple[Job, ...] = ()


class _Ways:
    """Each way of probing is opened when it is first needed."""

    def __init__(self, commands: Mapping[str, Path]) -> None:
        self._sockets: Sockets | None = None
        self._echoes: Echoes | None = None
        self._programs: Programs | None = None
        self._commands = commands

    def of(self, target: Target) -> Way:
        """How this target is probed."""
        way = target.probe.way
        if way == "icmp":
            self._echoes = self._echoes or Echoes()
            return self._echoes
        if way == "exec":
            self._programs = self._programs or Programs(self._commands)
            return self._programs
        self._sockets = self._sockets or Sockets()
        return self._sockets

    async def close(self) -> None:
        """End all that is under way."""
        ways: tuple[Way | None, ...] = (self._sockets, self._echoes, self._programs)
        for way in ways:
            if way is not None:
                await way.close()
        self._sockets = self._echoes = self._programs = None


def _clock() -> int:
    return int(asyncio.get_running_loop().time() * 1_000)


def _room() -> int:
    return max(16, min(AT_ONCE, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 4))
