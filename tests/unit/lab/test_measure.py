from typing import Any

import pytest

from federation.lab.dns_client import Question, Reply
from federation.lab.manifests import Return
from federation.lab.story.measure import (
    by_member,
    climb,
    height,
    last_given,
    longest_gap,
    noise,
    unanswered,
    windows,
)

QUESTION = Question("10.1.0.1", "shop.example.test")
TEN = Return(10, 1)


def answer(t: float, member: str = "us-east", ok: bool = True, ms: float = 100.0) -> dict[str, Any]:
    return {"t": t, "member": member, "ok": ok, "ms": ms}


def test_the_gap_is_between_the_ends_of_successes_and_failures_do_not_fill_it() -> None:
    answers = [answer(10.0), answer(10.5), answer(11.0, ok=False), answer(12.0, ms=900.0), answer(13.0)]
    assert longest_gap(answers, 10.0, 13.2) == pytest.approx(12.9 - 10.6)


def test_answers_that_end_out_of_order_are_sorted_first() -> None:
    assert longest_gap([answer(10.0, ms=950), answer(10.5, ms=10)], 10.0, 11.0) == pytest.approx(0.51)


def test_a_success_that_never_came_is_a_gap_to_the_end() -> None:
    assert longest_gap([answer(10.0)], 9.9, 14.0) == pytest.approx(3.9)
    assert longest_gap([], 1.0, 5.0) == 4.0


def test_windows_hold_what_was_due_in_their_second() -> None:
    answers = [answer(9.9), answer(10.0), answer(10.99, "us-west"), answer(11.5, ok=False), answer(12.0)]
    first, second = windows(answers, 10.0, 2)
    assert (first.t, first.by, second.t, second.by) == (10.0, {"us-east": 1, "us-west": 1}, 11.0, {"failed": 1})
    assert (first.percent("us-east"), second.percent("us-east"), second.count) == (50, 0, 1)
    assert by_member(answers) == {"us-east": 3, "us-west": 1, "failed": 1}


def test_dns_replies() -> None:
    replies = [
        Reply(1.0, QUESTION, "NOERROR", ("192.0.2.101",), 5),
        Reply(2.0, QUESTION, "NOERROR", ("192.0.2.102",), 5),
        Reply(3.0, QUESTION),
        Reply(4.0, QUESTION, "NOERROR"),
        Reply(5.0, QUESTION, "SERVFAIL"),
    ]
    assert (last_given(replies, "192.0.2.101"), last_given(replies, "192.0.2.103")) == (1.0, None)
    assert [reply.t for reply in unanswered(replies)] == [4.0, 5.0]


@pytest.mark.parametrize(("t", "line"), [(99.0, 35), (100.0, 35), (100.99, 35), (101.0, 45), (106.0, 95), (107.0, 100)])
def test_the_line_of_a_return_rises_in_steps(t: float, line: float) -> None:
    assert height(t, 100.0, 35, TEN) == line


def climbing(percents: list[int], each: int = 400) -> Any:
    """Windows from Unix second 100 on, so many requests in each."""
    answers = [
        answer(100 + second + i / each, "us-east" if i * 100 < percent * each else "us-west")
        for second, percent in enumerate(percents)
        for i in range(each)
    ]
    return climb(windows(answers, 100.0, len(percents)), "us-east", 100.0, 35, TEN)


def test_a_climb_along_the_line_is_none_above_it() -> None:
    seen = climbing([35, 45, 55, 65, 75, 85, 95, 100, 100])
    assert abs(seen.over) < 0.5 and seen.worst < 0 and seen.full == 7


def test_a_climb_that_lags_is_below_it() -> None:
    seen = climbing([35, 35, 45, 55, 65, 75, 85, 95, 100, 100])
    assert seen.over < -5 and seen.worst < 0 and seen.full == 8


def test_one_second_too_early_is_seen() -> None:
    seen = climbing([45, 55, 65, 75, 85, 95, 100, 100])
    assert seen.over > 5 and seen.worst > 0


def test_a_jump_is_seen_and_a_climb_without_end_has_none() -> None:
    assert climbing([35, 100, 100, 100, 100, 100, 100, 100]).worst > 40
    assert climbing([35, 45, 55, 65, 75, 75, 75, 75]).full is None


def test_noise_shrinks_with_the_count() -> None:
    assert noise(50, 100) == pytest.approx(15) and noise(50, 10_000) == pytest.approx(1.5) and noise(0, 100) > 0
