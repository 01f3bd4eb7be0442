"""Hysteresis, damping and merging, in virtual time."""

import pytest

from federation.health.merge import cut_off, gone, settles
from federation.health.verdict import Limits, Verdict, needed, observe
from federation.model.standing import Standing

LIMITS = Limits(fall=3, rise=2)


def told(results: str) -> list[str]:
    """`+` and `-` are probes; what is believed after each: u(p), d(own), ? (nothing yet)."""
    said, verdict = [], Verdict()
    for index, result in enumerate(results):
        verdict = observe(verdict, result == "+", index * 1_000, LIMITS)
        said.append({True: "u", False: "d", None: "?"}[verdict.up])
    return said


@pytest.mark.parametrize(
    ("results", "expected"),
    [
        ("+", "u"),
        ("--", "??"),
        ("---", "??d"),
        ("+--+---", "uuuuuud"),
        ("+---+-++", "uuudddd" + "u"),
    ],
)
def test_failures_and_successes_in_a_row(results: str, expected: str) -> None:
    assert "".join(told(results)) == expected


def test_what_flaps_must_prove_itself_longer_and_is_forgiven_by_the_minute() -> None:
    verdict, asked = Verdict(up=True), []
    now = 0
    for _ in range(8):
        for _ in range(3):
            now += 1_000
            verdict = observe(verdict, False, now, LIMITS)
        asked.append(needed(verdict, LIMITS))
        while not verdict.up:
            now += 1_000
            verdict = observe(verdict, True, now, LIMITS)
    assert asked == [2, 4, 8, 16, 16, 16, 16, 16]
    now += 180_000
    for _ in range(3):
        verdict = observe(verdict, False, now, LIMITS)
    assert needed(verdict, LIMITS) == 4


def test_a_first_verdict_is_no_return() -> None:
    assert observe(Verdict(), True, 5_000, LIMITS).standing == Standing(up=True, since=0)


DOWN = Standing(up=False, since=1_000)


@pytest.mark.parametrize(
    ("own", "others", "alone", "now", "expected"),
    [
        (Standing(), 5, True, 99_000, False),
        (DOWN, 0, True, 10_999, False),
        (DOWN, 0, True, 11_000, True),
        (DOWN, 1, True, 1_000, True),
        (DOWN, 0, False, 99_000, False),
        (DOWN, 1, False, 1_000, True),
        (Standing(up=False, since=3_600_000), 0, True, 1_000, True),
    ],
)
def test_no_single_liar_removes_or_vetoes(own: Standing, others: int, alone: bool, now: int, expected: bool) -> None:
    assert gone(own, others, alone, now) is expected


def test_one_who_reaches_nobody_blames_himself() -> None:
    down, up = Standing(up=False), Standing()
    worlds: tuple[dict[str, Standing], ...] = ({"b": down, "c": down}, {"b": down, "c": up}, {"b": down}, {})
    assert [cut_off(one) for one in worlds] == [True, False, False, False]
    assert cut_off({"b": down}, [False])
    assert not cut_off({"b": down, "c": down}, [True, False])
    assert not cut_off({"b": down, "c": up}, [False])
    assert (settles(DOWN, 2_000), settles(DOWN, 11_000), settles(Standing(), 0)) == (11_000, 0, 0)
