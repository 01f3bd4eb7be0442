"""When each target is probed, how many probes are out at once, and when one has waited long enough. Time is the
caller's: it asks `next` when to call `turn`.
"""

from __future__ import annotations

import zlib
from collections import Counter, deque
from collections.abc import Callable

from federation.probing.target import Target, Unable, Way
from federation.probing.wheel import Wheel, begins

EACH_AT_ONCE = 2
"""Probes of one target that may be out at the same time; while they are, none begins."""

PROGRAMS_AT_ONCE = 16
"""Of one group's probes those that run a program."""


class Job:
    """A target that is probed until it is ended; `heard` gets the end of each probe."""

    __slots__ = ("_pacer", "alive", "heard", "out", "phase", "room", "target", "trouble")

    def __init__(self, pacer: Pacer, target: Target, heard: Callable[[bool], None], room: _Room, phase: int) -> None:
        self._pacer, self.target, self.heard = pacer, target, heard
        self.room, self.phase = room, phase
        self.out, self.alive, self.trouble = 0, True, ""

    def due(self, now: int) -> None:
        """Its next probe is due."""
        self._pacer.begin(self, now)


class Pacer:
    """Milliseconds of any clock. Targets lie at a phase of their interval by their hash, so that they spread over it
    and come to it again whatever changes; `salt` makes it another one on each machine.
    """

    def __init__(
        self,
        way_of: Callable[[Target], Way],
        clock: Callable[[], int],
        at_once: int,
        sooner: Callable[[], None],
        salt: int = 0,
    ) -> None:
        """`way_of` is how to probe a target, `at_once` how many probes of one group may be out; `sooner` is called when
        a probe was begun between two turns, so that `next` may be nearer than it was.
        """
        self._way_of = way_of
        self._clock = clock
        self._at_once = at_once
        self._sooner = sooner
        self._salt = salt
        self._rooms: dict[tuple[str, bool], _Room] = {}
        self._wheel: Wheel[Job | _Check] = Wheel()
        self._troubles: Counter[str] = Counter()

    def keep(self, target: Target, heard: Callable[[bool], None]) -> Job:
        """Probe this target from now on."""
        programs = target.probe.way == "exec"
        room = self._rooms.setdefault((target.group, programs), _Room(PROGRAMS_AT_ONCE if programs else self._at_once))
        interval = target.probe.interval_ms
        seed = f"{target.address} {target.port} {target.host} {target.probe.path}"
        job = Job(self, target, heard, room, zlib.crc32(seed.encode(), self._salt) % interval)
        self._wheel.add(begins(self._clock(), job.phase, interval), job)
        return job

    def end(self, job: Job) -> None:
        """Probe it no more."""
        job.alive = False
        self._note(job, "")

    def next(self) -> int | None:
        """When to call `turn`; None: there is nothing to do."""
        return self._wheel.next()

    def turn(self) -> None:
        """Do what is due."""
        now = self._clock()
        for item in self._wheel.due(now):
            item.due(now)

    def problems(self) -> tuple[str, ...]:
        """One line for each reason for which targets cannot be probed."""
        found = sorted(why for why, count in self._troubles.items() if count)
        return tuple(f"E190 probes of {self._troubles[why]} targets are not made: {why}" for why in found)

    def begin(self, job: Job, now: int) -> None:
        """A probe of this job, or a place in the row of those who wait for room; none while it has enough out."""
        if not job.alive:
            return
        self._wheel.add(begins(now, job.phase, job.target.probe.interval_ms), job)
        if job.out < EACH_AT_ONCE:
            job.out += 1
            if job.room.out < job.room.most:
                self._start(job, now)
            else:
                job.room.waiting.append(job)

    def over(self, check: _Check, well: bool | None) -> None:
        """A probe has ended: well, not well, or it was none (None); the next that waits has its room."""
        job, room = check.job, check.job.room
        job.out -= 1
        room.out -= 1
        while room.waiting and room.out < room.most:
            self._start(room.waiting.popleft(), self._clock())
            self._sooner()
        if job.alive and well is not None:
            job.heard(well)

    def _start(self, job: Job, now: int) -> None:
        if not job.alive:
            return
        job.room.out += 1
        check = _Check(self, job)
        patience, trouble = job.target.probe.timeout_ms, ""
        try:
            check.cancel = self._way_of(job.target).begin(job.target, check.done)
        except Unable as why:
            patience, trouble, check.otherwise = 0, str(why), None
        except OSError:
            patience = 0
        self._note(job, trouble)
        self._wheel.add(now + patience, check)

    def _note(self, job: Job, trouble: str) -> None:
        if trouble != job.trouble:
            self._troubles[job.trouble] -= 1
            self._troubles[trouble] += 1
            job.trouble = trouble
            del self._troubles[""]


class _Room:
    """For the probes of one group."""

    __slots__ = ("most", "out", "waiting")

    def __init__(self, most: int) -> None:
        self.most, self.out = most, 0
        self.waiting: deque[Job] = deque()


class _Check:
    """One probe that is out. Once its time is up it ends as `otherwise`."""

    __slots__ = ("_pacer", "cancel", "job", "otherwise")

    def __init__(self, pacer: Pacer, job: Job) -> None:
        self._pacer: Pacer | None = pacer
        self.job = job
        self.cancel: Callable[[], object] = _nothing
        self.otherwise: bool | None = False

    def due(self, now: int) -> None:
        """Its time is up."""
        if self._pacer is not None:
            self.cancel()
            self._end(self.otherwise)

    def done(self, well: bool) -> None:
        """It has ended in time."""
        self._end(well)

    def _end(self, well: bool | None) -> None:
        pacer, self._pacer, self.cancel = self._pacer, None, _nothing
        if pacer is not None:
            pacer.over(self, well)


def _nothing() -> None:
    """There is nothing to cancel."""
