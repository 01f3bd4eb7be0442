"""Verdicts on very many targets: ways of probing, paced, on the event loop."""

from __future__ import annotations

import asyncio
import logging
import resource
import secrets
import time
from collections.abc import Hashable, Iterable, Mapping, Sequence
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
    """`verdicts` by key, of whom there is a first one. `changed` is set when one changed. What is the very same target
    under several keys is probed once.
    """

    def __init__(self, commands: Mapping[str, Path] = NO_COMMANDS, at_once: int = 0) -> None:
        """`commands` are the programs that probes may name, `at_once` another number than AT_ONCE."""
        self.verdicts: dict[Key, Verdict] = {}
        self.changed = asyncio.Event()
        self._wanted: dict[Key, Composite] = {}
        self._probes: dict[Target, _Probe[Key]] = {}
        self._moved: set[Key] = set()
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

    def moved(self) -> set[Key]:
        """Whose verdict is another than when this was asked last."""
        found, self._moved = self._moved, set()
        return found

    def want(self, targets: Mapping[Key, Composite]) -> None:
        """Probe these from now on, and nothing else; a target that changed begins anew with what was believed."""
        gone: dict[Key, Composite | None] = dict.fromkeys(self._wanted.keys() - targets.keys())
        self.adjust({**gone, **targets})

    def adjust(self, targets: Mapping[Key, Composite | None]) -> None:
        """As `want` for these alone (None: probe it no more); all others stay as they are."""
        for key, wanted in targets.items():
            before = self._wanted.get(key)
            if before == wanted:
                continue
            believed = self.parts(key)
            if wanted is not None:
                self._begin(key, wanted, believed)
            self._leave(key, set(before.parts if before else ()).difference(wanted.parts if wanted else ()))
            if wanted is None:
                self._forget(key)
            else:
                self._compose(key)
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
        wanted = self._wanted.get(key)
        return tuple(self._probes[one].verdict for one in wanted.parts) if wanted else ()

    def problems(self) -> tuple[str, ...]:
        """One line for each reason for which targets cannot be probed."""
        return self._pacer.problems()

    def _begin(self, key: Key, wanted: Composite, believed: Sequence[Verdict]) -> None:
        same = len(believed) == len(wanted.parts)
        for number, target in enumerate(wanted.parts):
            probe = self._probes.get(target)
            if probe is None:
                probe = self._probes[target] = _Probe(believed[number] if same else UNKNOWN)
                probe.job = self._pacer.keep(target, partial(self._heard, probe))
            probe.keys.add(key)
        self._wanted[key] = wanted

    def _leave(self, key: Key, targets: Iterable[Target]) -> None:
        for target in targets:
            probe = self._probes[target]
            probe.keys.discard(key)
            if not probe.keys and probe.job is not None:
                self._pacer.end(probe.job)
                del self._probes[target]

    def _forget(self, key: Key) -> None:
        del self._wanted[key]
        self._moved.discard(key)
        self.verdicts.pop(key, None)
        self._note(key, True)

    def _heard(self, probe: _Probe[Key], good: bool) -> None:
        assert probe.job is not None
        target, seen = probe.job.target, probe.verdict
        limits = Limits(target.probe.unhealthy, target.probe.healthy)
        probe.verdict = observe(seen, good, int(time.time() * 1_000), limits)
        if probe.verdict.up == seen.up:
            return
        changed = [key for key in probe.keys if self._compose(key)]
        if changed:
            more = len(changed) - 1
            said = {"target": str(changed[0]), "more": more, "address": target.address, "up": probe.verdict.up}
            log.info("verdict", extra=said)
        self.changed.set()

    def _compose(self, key: Key) -> bool:
        """Its verdict by those of its probes; True when it is another."""
        before = self.verdicts.get(key, UNKNOWN)
        verdict = composed(before, self.parts(key), self._wanted[key].need, int(time.time() * 1_000))
        if (verdict.up, verdict.since) == (before.up, before.since):
            return False
        self.verdicts[key] = verdict
        self._moved.add(key)
        self._note(key, verdict.up is not False)
        self.changed.set()
        return True

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


class _Probe(Generic[Key]):
    """One target that is probed, what is believed of it, and for whom."""

    __slots__ = ("job", "keys", "verdict")

    def __init__(self, verdict: Verdict) -> None:
        self.verdict = verdict
        self.keys: set[Key] = set()
        self.job: Job | None = None


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
