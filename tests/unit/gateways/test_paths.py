"""Ways to peers in virtual time: pace, round trips, loss, verdicts."""

from collections.abc import Callable

import pytest

from federation.model.standing import UNKNOWN, Standing
from gateways.probe.paths import EXTRAS, Now, Paths
from gateways.probe.trips import EXPIRES, Trip

A, B = "fd00:1::1", "fd00:2::1"
T = 1_700_000_000_000


def at(seconds: float) -> Now:
    return Now(seconds, T + round(seconds * 1_000))


class Way:
    """A link in virtual time: `reaches(address, moment)` says whether a probe sent then comes back after `rtt`."""

    def __init__(self, wanted: dict[str, bool], rtt: float = 0.06) -> None:
        self.paths, self.wanted, self.rtt = Paths(), wanted, rtt
        self.flying: list[tuple[float, str, int]] = []
        self.probes: list[tuple[float, str]] = []
        self.time = 0.0
        self.reaches: Callable[[str, float], bool] = lambda address, moment: True

    def until(self, end: float) -> None:
        """Move on in steps of 10 ms, as the shell does: receive, judge, send."""
        while self.time < end:
            now = at(self.time)
            for landed in [one for one in self.flying if one[0] <= self.time]:
                self.flying.remove(landed)
                self.paths.answered(landed[1], landed[2], now)
            self.paths.judge(now)
            sequence, due = self.paths.begin(self.wanted, now)
            for address in due:
                self.paths.sent(address, sequence, now)
                self.probes.append((self.time, address))
                self.paths.plan(address, self.wanted[address], now)
                if self.reaches(address, self.time):
                    self.flying.append((self.time + self.rtt, address, sequence))
            self.time = round(self.time + 0.01, 2)

    def changed(self, address: str, end: float) -> float:
        """When the verdict on this address is another one than now."""
        before = self.paths.standing(address).up
        while self.time < end and self.paths.standing(address).up == before:
            self.until(self.time + 0.01)
        return self.time


def test_idle_ways_are_probed_once_a_second_in_one_batch_and_busy_ones_five_times() -> None:
    way = Way({A: False, B: True})
    way.until(2.0)
    way.probes.clear()
    way.until(12.0)
    times = {address: [t for t, a in way.probes if a == address] for address in (A, B)}
    assert (len(times[A]), len(times[B])) == (10, 50)
    assert set(times[A]) <= set(times[B])


def test_standings_are_the_same_object_until_a_way_is_another() -> None:
    way = Way({A: True, B: True})
    way.until(2.0)
    first = way.paths.standings()
    assert first == {A: UNKNOWN, B: UNKNOWN}
    way.until(10.0)
    assert way.paths.standings() is first
    way.reaches = lambda address, moment: address == B
    way.until(20.0)
    second = way.paths.standings()
    assert second is not first and not second[A].up and second[B] is first[B]
    assert first[A].up, "what was given out stays as it was"
    way.wanted = {B: True}
    way.until(20.1)
    assert way.paths.standings() == {B: UNKNOWN}


@pytest.mark.parametrize(
    ("busy", "rtt", "bar"), [(True, 0.06, 1.0), (True, 0.14, 1.05), (False, 0.06, 1.8), (False, 0.14, 2.1)]
)
def test_a_cut_is_found(busy: bool, rtt: float, bar: float) -> None:
    for offset in (0.01, 0.21, 0.51, 0.99):
        way = Way({A: busy}, rtt)
        way.until(5 + offset)
        cut = way.time
        way.reaches = lambda address, moment, cut=cut: moment < cut  # type: ignore[misc]
        assert way.changed(A, 20.0) - cut < bar
        assert way.paths.standing(A) == Standing(up=False, since=at(way.time - 0.01).wall_ms)


def test_a_cut_right_after_the_first_handshake_is_found_as_soon() -> None:
    """What was sent meanwhile is answered together, late."""
    way = Way({A: True}, 0.02)
    while way.time < 0.8:
        way.rtt = 0.82 - way.time
        way.until(way.time + 0.01)
    way.until(1.0)
    way.reaches = lambda address, moment: moment < 1.1
    assert way.changed(A, 20.0) < 2.1


@pytest.mark.parametrize("busy", [True, False])
@pytest.mark.parametrize("rtt", [0.002, 0.06, 0.2])
def test_a_blackout_of_less_than_three_pauses_takes_no_way_down_and_is_little_loss(busy: bool, rtt: float) -> None:
    """Both directions at once: what was on its way back is lost too."""
    for offset in range(20):
        way = Way({A: busy}, rtt)
        way.until(60 + offset / 100)
        end = way.time + 0.59 - rtt
        way.reaches = lambda address, moment, begin=way.time, end=end: not begin - rtt <= moment < end  # type: ignore[misc]
        seen = set()
        while way.time < end + 8:
            way.until(way.time + 0.05)
            seen.add(way.paths.standing(A))
        assert all(one.up and one.loss <= 10 for one in seen)


@pytest.mark.parametrize("slow", [0.3, 0.5, 0.7])
def test_a_round_trip_that_is_longer_from_one_probe_to_the_next_is_no_cut(slow: float) -> None:
    way = Way({A: True}, 0.02)
    way.until(60)
    way.rtt = slow
    while way.time < 90:
        way.until(way.time + 0.05)
        assert way.paths.standing(A).up
    assert way.paths.standing(A).loss == 0
    way.probes.clear()
    way.until(100)
    assert len(way.probes) == 50, "it is not late any more"


def test_a_late_probe_makes_haste_until_one_is_answered() -> None:
    way = Way({A: False})
    way.until(10)
    way.probes.clear()
    way.reaches = lambda address, moment: moment > 10.3
    way.until(20)
    haste = [moment for moment, _ in way.probes if moment < 10.95]
    assert haste == pytest.approx([10.0, 10.2, 10.25, 10.3, 10.35, 10.4, 10.6], abs=0.011)
    assert len(way.probes) == len(haste) + 9


def test_of_a_thousand_ways_that_fall_silent_at_once_extra_probes_are_bounded_and_each_is_found() -> None:
    """Those in doubt are probed five times a second anyway."""
    for count in (40, 150, 1_000):
        way = Way({f"fd00::{number:x}": True for number in range(count)})
        way.until(5.1)
        cut = way.time
        way.probes.clear()
        way.reaches = lambda address, moment: False
        way.until(cut + 1.3)
        assert not any(one.up for one in way.paths.standings().values())
        assert len(way.probes) <= 1.3 * (5 * count + EXTRAS) + count


def test_a_healed_way_needs_three_answers_and_more_when_it_flaps() -> None:
    way = Way({A: True})
    way.until(5)
    took = []
    for _ in range(3):
        way.reaches = lambda address, moment: False
        way.changed(A, way.time + 20)
        way.reaches = lambda address, moment: True
        begin = way.time
        took.append(way.changed(A, begin + 30) - begin)
    assert took[0] < 1.0 < took[1] < 1.7 < took[2] < 3.0


def test_one_lost_probe_and_a_slow_answer_are_no_cut() -> None:
    way = Way({A: True})
    way.until(5)
    way.reaches = lambda address, moment: not 5 <= moment < 5.6
    way.until(8)
    assert way.paths.standing(A).up
    way.rtt = 1.2
    way.until(20)
    assert way.paths.standing(A).up
    assert way.paths.trip(A, way.time).rtt_us > 900_000


def test_before_the_first_answer_nothing_is_down_until_enough_went_unanswered() -> None:
    way = Way({A: False})
    way.reaches = lambda address, moment: False
    assert way.paths.standing(A) == UNKNOWN
    assert 1.0 < way.changed(A, 10) < 2.5
    way.reaches = lambda address, moment: True
    way.changed(A, 20)
    assert way.paths.standing(A).up


def test_a_probe_that_could_not_leave_says_nothing_of_a_way_that_never_answered_and_takes_down_one_that_did() -> None:
    for answered in (False, True):
        paths = Paths()
        for tick in range(600):
            now = at(tick / 10)
            paths.judge(now)
            sequence, due = paths.begin({A: False}, now)
            for address in due:
                if answered and tick < 100:
                    paths.sent(address, sequence, now)
                    paths.answered(address, sequence, now)
                else:
                    paths.unsent(address, sequence, now)
                paths.plan(address, False, now)
        assert paths.standing(A).up is not answered


def test_loss_is_told_in_steps_of_ten_per_cent() -> None:
    way = Way({A: True})
    way.until(7)
    assert way.paths.standing(A).loss == 0
    lost = {round(7 + 0.2 * n, 2) for n in range(0, 60, 5)}
    way.reaches = lambda address, moment: moment not in lost
    way.until(15)
    assert way.paths.standing(A) == Standing(up=True, since=0, loss=20)


def test_what_an_outage_lost_is_no_loss_of_the_way_that_came_back() -> None:
    way = Way({A: True})
    way.until(10)
    way.reaches = lambda address, moment: not 10 <= moment < 15
    way.changed(A, 20)
    assert not way.paths.standing(A).up
    way.changed(A, 30)
    seen = set()
    while way.time < 40:
        way.until(way.time + 0.1)
        seen.add(way.paths.standing(A).loss)
    assert seen == {0}


def test_round_trips_are_matched_and_forgotten_and_the_shortest_counts() -> None:
    paths = Paths()
    sequence, _ = paths.begin({A: False}, at(0))
    paths.sent(A, sequence, at(0))
    paths.answered(B, sequence, at(0.01))
    paths.answered(A, sequence + 1, at(0.01))
    assert paths.trip(A, 0.1).rtt_us == -1
    paths.answered(A, sequence, at(0.08))
    paths.answered(A, sequence, at(0.5))
    assert paths.trip(A, 0.6).rtt_us == 80_000
    paths.sent(A, 7, at(1))
    paths.answered(A, 7, at(1.16))
    assert paths.trip(A, 1.2).rtt_us == 80_000
    for second in range(2, 10):
        paths.sent(A, second, at(second))
        paths.answered(A, second, at(second + 0.16))
    assert paths.trip(A, 9.2).rtt_us == 160_000
    assert paths.trip(A, 9.17 + EXPIRES).rtt_us == -1
    paths.begin({B: False}, at(2))
    assert paths.trip(A, 2.0).rtt_us == -1


def test_jitter_is_the_mean_of_what_one_trip_differs_from_the_next() -> None:
    paths = Paths()
    for number in range(200):
        now = Now(float(number), T)
        sequence, _ = paths.begin({A: False}, now)
        paths.sent(A, sequence, now)
        paths.answered(A, sequence, Now(number + (0.06 if number % 2 else 0.07), T))
        paths.judge(now)
    assert paths.trip(A, 200.0).jitter_us == pytest.approx(10_000, rel=0.01)
    assert paths.trip(A, 200.0 + EXPIRES) == Trip()
