"""Round trips: what is matched, smoothed, and forgotten."""

from gateways.probe.rtt import EXPIRES, RoundTrips

A, B = "fd00:1::1", "fd00:2::1"


def test_the_first_answer_counts_whole_and_later_ones_by_an_eighth() -> None:
    trips = RoundTrips()
    first = trips.begin([A], 0.0)
    trips.answer(A, first, 0.080)
    assert trips.microseconds(A, 0.1) == 80_000
    second = trips.begin([A], 1.0)
    trips.answer(A, second, 1.160)
    assert trips.microseconds(A, 1.2) == 90_000


def test_an_answer_counts_once_and_only_when_it_was_asked() -> None:
    trips = RoundTrips()
    sequence = trips.begin([A], 0.0)
    trips.answer(B, sequence, 0.01)
    trips.answer(A, sequence + 1, 0.01)
    assert trips.microseconds(A, 0.1) == -1
    trips.answer(A, sequence, 0.05)
    trips.answer(A, sequence, 0.50)
    assert trips.microseconds(A, 0.6) == 50_000


def test_a_late_answer_is_matched_to_its_own_probe() -> None:
    trips = RoundTrips()
    first = trips.begin([A], 0.0)
    trips.begin([A], 1.0)
    trips.answer(A, first, 1.4)
    assert trips.microseconds(A, 1.5) == 1_400_000


def test_without_answers_a_round_trip_becomes_unknown() -> None:
    trips = RoundTrips()
    trips.answer(A, trips.begin([A], 0.0), 0.02)
    assert trips.microseconds(A, EXPIRES) == 20_000
    assert trips.microseconds(A, EXPIRES + 0.03) == -1


def test_a_peer_that_left_is_forgotten() -> None:
    trips = RoundTrips()
    trips.answer(A, trips.begin([A, B], 0.0), 0.02)
    trips.begin([B], 1.0)
    assert trips.microseconds(A, 1.0) == -1


def test_unanswered_probes_do_not_pile_up() -> None:
    trips = RoundTrips()
    for second in range(1_000):
        trips.begin([A], float(second))
    assert len(trips._paths[A].sent) == 16
