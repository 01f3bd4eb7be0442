"""The token bucket of a reader."""

from federation.session.pace import Pace


def test_a_burst_passes_and_a_flood_waits_for_its_rate() -> None:
    pace = Pace(50, 0.0)
    assert [pace.spend(1, 0.0) for _ in range(100)] == [0.0] * 100
    waited = now = 0.0
    for _ in range(500):
        delay = pace.spend(1, now)
        waited, now = waited + delay, now + delay
    assert 9.9 < waited < 10.1


def test_rest_fills_the_bucket_to_its_burst_and_not_beyond() -> None:
    pace = Pace(10, 0.0)
    assert pace.spend(20, 0.0) == 0.0
    assert pace.spend(21, 1_000.0) == 0.1
