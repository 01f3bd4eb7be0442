"""What the steering story makes of answers: shares against what is stated, and how long a surge lasts."""

from federation.lab.story.seen import counted, surged

EAST, WEST = "us-east", "us-west"


def answers(*said: tuple[str, int], begin: float = 0.0, rate: int = 100) -> list[dict[str, object]]:
    """So many of each member in turn, `rate` a second."""
    members = [member for member, count in said for _ in range(count)]
    return [
        {"t": begin + place / rate, "ok": bool(member), "member": member, "status": 200 if member else 503}
        for place, member in enumerate(members)
    ]


def test_shares_within_three_points_are_good_and_a_failed_request_is_not() -> None:
    stated = {EAST: 570_000, WEST: 430_000}
    good = counted("2 next", answers((EAST, 548), (WEST, 452)), stated, "what")
    assert good.ok
    assert good.measured == "us-east 54.8 %, us-west 45.2 % of 1000"
    assert not counted("2 next", answers((EAST, 530), (WEST, 470)), stated, "what").ok
    assert not counted("2 next", answers((EAST, 569), (WEST, 430), ("", 1)), stated, "what").ok
    assert not counted("2 next", answers((EAST, 569), (WEST, 430), ("eu-central", 1)), stated, "what").ok
    assert not counted("2 next", [], stated, "what").ok


def test_a_surge_lasts_until_the_last_second_over_capacity() -> None:
    found = [(EAST, 70), (WEST, 30)], [(EAST, 60), (WEST, 40)], *([(EAST, 40), (WEST, 60)] for _ in range(8))
    seconds = [one for second, said in enumerate(found) for one in answers(*said, begin=float(second))]
    assert surged(seconds, 0.0).measured == "2 s; by second 70 60 40 40 40 40 40 40 40 40"
    assert surged(seconds, 0.0).ok
    long = [one for second in range(10) for one in answers((EAST, 60 if second < 7 else 40), begin=float(second))]
    assert not surged(long, 0.0).ok
    assert not surged(answers((EAST, 40)), 0.0).ok, "too few requests say nothing"
