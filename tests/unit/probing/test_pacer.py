"""When targets are probed, in virtual time: spread, at most so many at once, none for ever."""

from collections import Counter
from collections.abc import Callable

import pytest

from federation.model.policy import Probe
from federation.probing.pacer import PROGRAMS_AT_ONCE, Job, Pacer
from federation.probing.target import Done, Target, Unable
from federation.probing.wheel import SLOT_MS, Wheel, begins


class World:
    """A way of probing that ends a probe when it is told to, and a clock that is turned by hand."""

    def __init__(self, at_once: int = 1_000) -> None:
        self.now = 0
        self.begun: list[tuple[int, str]] = []
        self.out: list[tuple[str, Done]] = []
        self.heard: list[tuple[int, str, bool]] = []
        self.fails: Exception | None = None
        self.woken = 0
        self.pacer = Pacer(lambda target: self, lambda: self.now, at_once, self._sooner)

    def keep(self, address: str, probe: Probe, group: str = "") -> Job:
        """Probe it from now on."""
        target = Target(address, 80, "h", probe, group=group)
        return self.pacer.keep(target, lambda good: self.heard.append((self.now, address, good)))

    def begin(self, target: Target, done: Done) -> Callable[[], object]:
        """As a `Way`."""
        if self.fails is not None:
            raise self.fails
        self.begun.append((self.now, target.address))
        entry = (target.address, done)
        self.out.append(entry)
        return lambda: self.out.remove(entry)

    async def close(self) -> None:
        """As a `Way`."""

    def run(self, until: int) -> None:
        """Turn whenever it asks for it, until this millisecond."""
        while (due := self.pacer.next()) is not None and due <= until:
            self.now = max(self.now, due)
            self.pacer.turn()
        self.now = until

    def until_out(self) -> None:
        """Turn until a probe is out."""
        while not self.out:
            self.run(self.now + SLOT_MS)

    def end(self, well: bool) -> None:
        """End all that are out."""
        out, self.out = self.out, []
        for _, done in out:
            done(well)

    def _sooner(self) -> None:
        self.woken += 1


PROBE = Probe(interval_ms=10_000, timeout_ms=1_000)


def test_the_wheel_gives_back_what_is_due_and_says_when() -> None:
    wheel: Wheel[str] = Wheel()
    assert wheel.next() is None
    for when, item in ((25, "c"), (10, "a"), (19, "b"), (11, "b")):
        wheel.add(when, item)
    assert (wheel.next(), wheel.due(9)) == (10, [])
    assert wheel.due(29) == ["a", "b", "b"]
    assert (wheel.next(), wheel.due(30), wheel.next()) == (30, ["c"], None)


@pytest.mark.parametrize(("now", "phase", "expected"), [(0, 3, 3), (3, 3, 13), (4, 3, 13), (12, 3, 13), (0, 0, 10)])
def test_a_phase_comes_again_every_interval(now: int, phase: int, expected: int) -> None:
    assert begins(now, phase, 10) == expected


def test_each_target_is_probed_once_an_interval_and_all_are_spread_over_it() -> None:
    world = World()
    for number in range(2_000):
        world.keep(f"10.0.{number // 256}.{number % 256}", PROBE)
    seen: Counter[int] = Counter()
    for second in range(1, 31):
        world.run(second * 1_000)
        seen[second % 10] += len(world.out)
        world.end(True)
    assert Counter(address for _, address in world.begun).most_common()[-1][1] == 3
    assert len(world.begun) == 6_000
    assert min(seen.values()) > 450 and max(seen.values()) < 750, "2,000 a second of ten in three rounds are 600"


def test_a_target_that_is_kept_again_comes_at_its_own_time() -> None:
    world = World()
    job = world.keep("10.0.0.1", PROBE)
    world.run(10_000)
    [(first, _)] = world.begun
    world.pacer.end(job)
    world.now = 14_321
    world.keep("10.0.0.1", PROBE)
    world.run(40_000)
    assert {at % 10_000 for at, _ in world.begun[1:]} == {first % 10_000}


def test_who_does_not_answer_fails_when_its_time_is_up_and_is_not_waited_for() -> None:
    world = World()
    world.keep("10.0.0.1", PROBE)
    world.run(12_000)
    [(begun, _)] = world.begun
    [(ended, _, good)] = world.heard
    assert not good and 1_000 <= ended - begun <= 1_000 + SLOT_MS
    assert world.out == []


def test_an_end_after_its_time_is_not_heard() -> None:
    world = World()
    world.keep("10.0.0.1", PROBE)
    world.until_out()
    [(_, done)] = world.out
    world.run(world.now + 2_000)
    done(True)
    assert [good for _, _, good in world.heard] == [False]


def test_of_one_target_two_are_out_at_most() -> None:
    world = World()
    world.keep("10.0.0.1", Probe(interval_ms=100, timeout_ms=30_000))
    world.run(5_000)
    assert len(world.out) == 2
    world.end(True)
    world.run(5_500)
    assert len(world.out) == 2


def test_those_who_hang_hold_up_their_own_group_only() -> None:
    world = World(at_once=10)
    hanging = Probe(interval_ms=100, timeout_ms=30_000)
    for number in range(50):
        world.keep(f"10.0.0.{number}", hanging, "bad")
    world.keep("10.1.0.1", hanging, "good")
    world.run(1_000)
    assert Counter(address.split(".")[1] for address, _ in world.out) == {"0": 10, "1": 2}


def test_who_waited_goes_when_there_is_room_and_the_clock_is_told() -> None:
    world = World(at_once=1)
    for number in range(3):
        world.keep(f"10.0.0.{number}", Probe(interval_ms=10_000, timeout_ms=30_000))
    world.run(10_000)
    seen = {world.out[0][0]}
    for waiting in (2, 1):
        world.end(True)
        assert world.woken == 3 - waiting
        seen.add(world.out[0][0])
    assert len(seen) == 3


def test_programs_have_less_room() -> None:
    world = World()
    for number in range(50):
        world.keep(f"10.0.0.{number}", Probe(kind="exec", command="x", timeout_ms=30_000))
    world.run(2_000)
    assert len(world.out) == PROGRAMS_AT_ONCE


def test_what_fails_at_once_is_heard() -> None:
    world = World()
    world.fails = OSError(113, "No route to host")
    world.keep("10.0.0.1", PROBE)
    world.run(11_000)
    assert [good for _, _, good in world.heard] == [False]
    assert world.pacer.problems() == ()


def test_what_cannot_be_tried_says_nothing_of_the_target_and_is_told() -> None:
    world = World()
    world.fails = Unable("no connection can be made: EMFILE")
    jobs = [world.keep(f"10.0.0.{number}", PROBE) for number in range(3)]
    world.run(21_000)
    assert world.heard == []
    assert world.pacer.problems() == ("E190 probes of 3 targets are not made: no connection can be made: EMFILE",)
    world.pacer.end(jobs[0])
    assert world.pacer.problems() == ("E190 probes of 2 targets are not made: no connection can be made: EMFILE",)
    world.fails = None
    world.run(31_000)
    assert world.pacer.problems() == ()


def test_very_many_that_fail_at_once_do_not_stack_up() -> None:
    world = World(at_once=1)
    world.fails = OSError(113, "No route to host")
    for number in range(5_000):
        world.keep(f"10.0.{number // 256}.{number % 256}", PROBE)
    world.run(100_000)
    assert len(world.heard) > 4_000


def test_whoever_is_ended_is_heard_no_more() -> None:
    world = World()
    job = world.keep("10.0.0.1", PROBE)
    world.until_out()
    world.pacer.end(job)
    world.end(True)
    world.run(60_000)
    assert world.heard == [] and len(world.begun) == 1
    assert world.pacer.next() is None
