"""The parts of the simulation by themselves: queues, probes, ways, noise, what is read off a run."""

import pytest

from federation.model.policy import Probe
from federation.simulation.chance import Chance
from federation.simulation.exporter import QUEUE_SECONDS, Endpoint, Exporter
from federation.simulation.importer import WAY_WINDOW, Way
from federation.simulation.trace import reversals, still
from federation.simulation.world import Event, Member


def test_an_endpoint_that_has_time_answers_at_once_and_waits_grow_with_use() -> None:
    calm, busy = Endpoint(100.0), Endpoint(100.0)
    assert (calm.take(10.0, 1.0), busy.take(90.0, 1.0)) == (0.0, 0.0)
    assert calm.wait == pytest.approx(0.0111, abs=0.0001)
    assert busy.wait == pytest.approx(0.1)


def test_too_much_makes_a_queue_then_failures_and_the_queue_is_worked_off() -> None:
    one = Endpoint(100.0)
    assert one.take(200.0, 1.0) == 0.0
    assert (one.queue, one.wait > 1.0) == (100.0, True)
    assert one.take(300.0, 1.0) == 100.0
    assert one.queue == 100.0 * QUEUE_SECONDS
    one.take(0.0, 2.0)
    assert one.queue == 0.0


def test_a_dead_endpoint_fails_everything() -> None:
    assert Endpoint(100.0, alive=False).take(50.0, 2.0) == 100.0


def test_probes_take_away_the_dead_and_the_slow_and_bring_them_back() -> None:
    exporter = Exporter(Member("a", 2, 100, 0), Probe(unhealthy=3, healthy=2), Chance(1))

    def ready_after(begin: int, end: int, load: float) -> int:
        for now in range(begin, end, 100):
            exporter.take(load, 0.1)
            exporter.look(now, 100, now)
        return exporter.ready

    exporter.keep_alive(1)
    assert ready_after(0, 2_000, 0.0) == 2
    assert ready_after(2_000, 4_000, 0.0) == 1
    exporter.keep_alive(2)
    assert ready_after(4_000, 7_000, 0.0) == 2
    assert ready_after(7_000, 9_000, 1_000.0) == 2
    assert ready_after(9_000, 12_000, 1_000.0) == 0
    assert exporter.failed == 100.0


def test_a_way_is_down_after_four_lost_probes_and_up_after_three_and_loss_counts_from_thirty() -> None:
    way = Way()
    for _ in range(3):
        way.probed(False, 1)
    assert way.standing.up
    way.probed(False, 2)
    assert (way.standing.up, way.standing.since) == (False, 2)
    for _ in range(3):
        way.probed(True, 3)
    assert (way.standing.up, way.standing.loss) == (True, 0)
    for number in range(WAY_WINDOW):
        way.probed(number % 3 > 0, 4)
    assert way.standing.loss == 30


def test_noise_is_the_same_everywhere() -> None:
    chance = Chance(1)
    published = (0x910A2DEC89025CC1, 0xBEEB8DA1658EEC67, 0xF893A2EEFB32555E)
    assert [chance.part() for _ in published] == [(one >> 11) / (1 << 53) for one in published]
    assert 0.9 <= chance.around(0.1) < 1.1


def test_turns_and_rest_are_counted() -> None:
    assert reversals([]) == 0
    assert reversals([0, 50_000, 100_000]) == 0
    assert reversals([0, 100_000, 90_000, 100_000]) == 0
    assert reversals([0, 100_000, 50_000, 100_000]) == 2
    assert still([0, 0, 500_000, 510_000]) == 2


def test_an_event_says_what_happens() -> None:
    assert str(Event(2.5, "slow", "us-east", 3)) == "2.5 s: us-east has 3 slow endpoints"
