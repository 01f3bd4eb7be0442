"""The moving average, against the exponential it stands for."""

from math import exp

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.law.average import TAU_MS, averaged, faded

MICRO = 1_000_000


@pytest.mark.parametrize("seconds", [1, 5, 10, 30, 60])
def test_a_steady_rate_is_approached_with_a_time_constant_of_ten_seconds(seconds: int) -> None:
    value = 0
    for _ in range(seconds):
        value = averaged(value, 100 * MICRO, 1_000)
    assert value == pytest.approx(100 * MICRO * (1 - exp(-seconds / 10)), rel=1e-6)


@given(st.integers(0, 10**12), st.lists(st.integers(0, 30_000), max_size=6))
def test_it_does_not_matter_in_how_many_looks_a_silence_passes(value: int, gaps: list[int]) -> None:
    stepwise = value
    for gap in gaps:
        stepwise = faded(stepwise, gap)
    assert abs(stepwise - faded(value, sum(gaps))) <= 20 + value // 10**7


@given(st.integers(0, 10**12), st.integers(0, 10**12), st.integers(0, 10**7))
def test_an_average_lies_between_what_was_and_what_is(value: int, rate: int, ms: int) -> None:
    assert min(value, rate) - 20 <= averaged(value, rate, ms) <= max(value, rate) + 20


def test_what_is_long_gone_is_nothing() -> None:
    assert faded(10**12, 40 * TAU_MS) == 0
