"""What is believed of a rise, against noise, retries and time."""

import pytest

from federation.law.surge import NONE, Counted, Surge, believed, rises, without_retries


def after(rates: list[int], slow: int = 500_000, held: Surge = NONE) -> list[int]:
    """The levels after counts of a second each, the average standing still."""
    levels = []
    for second, fast in enumerate(rates, start=1):
        held = believed(held, Counted(slow, fast, 1_000), second * 1_000)
        levels.append(held.level)
    return levels


@pytest.mark.parametrize(("rps", "least"), [(0, 7), (1, 13), (5, 23), (50, 92), (100, 157), (500, 626), (5_000, 6_251)])
def test_a_second_must_count_so_much_to_be_a_surge(rps: int, least: int) -> None:
    assert not rises(rps * 1_000, Counted(rps * 1_000, (least - 1) * 1_000, 1_000))
    assert rises(rps * 1_000, Counted(rps * 1_000, least * 1_000, 1_000))


def test_a_shorter_count_must_exceed_by_more() -> None:
    assert rises(100_000, Counted(100_000, 200_000, 1_000))
    assert not rises(100_000, Counted(100_000, 200_000, 100))


def test_the_second_count_of_a_surge_counts_whole_also_when_it_is_near_the_first() -> None:
    assert after([700_000, 800_000]) == [700_000, 800_000]
    assert after([700_000, 700_000, 800_000])[-1] < 715_000, "only once"


def test_it_follows_as_the_average_does_and_ends_near_it() -> None:
    levels = after([1_000_000, *[500_000] * 40])
    assert levels[0] == 1_000_000
    assert levels[10] == pytest.approx(684_000, rel=0.01), "1/e of what was too much is left after 10 s"
    assert levels[30:] == [0] * 11 and 0 not in levels[:30]


def test_a_further_rise_is_believed_as_well() -> None:
    assert after([1_000_000, 1_000_000, 2_000_000])[-1] == 2_000_000


def test_what_may_be_retries_is_left_out() -> None:
    assert without_retries(900, 400, 0) == 500
    assert without_retries(900, 400, 400) == 900
    assert without_retries(900, 0, 400) == 900
