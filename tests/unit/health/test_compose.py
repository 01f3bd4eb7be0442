"""One verdict from those of several probes: all, any, at least N; what is unknown decides nothing."""

import pytest

from federation.health.compose import composed
from federation.health.verdict import Verdict

UP, DOWN, UNKNOWN = Verdict(up=True), Verdict(up=False, since=1), Verdict()
WORDS = {"u": UP, "d": DOWN, "?": UNKNOWN}


@pytest.mark.parametrize(
    ("parts", "need", "up"),
    [
        ("uu", 0, True),
        ("ud", 0, False),
        ("u?", 0, None),
        ("d?", 0, False),
        ("ud", 1, True),
        ("dd", 1, False),
        ("d?", 1, None),
        ("u?", 1, True),
        ("uud", 2, True),
        ("udd", 2, False),
        ("ud?", 2, None),
        ("dd?", 2, False),
        ("u", 1, True),
        ("d", 0, False),
        ("?", 0, None),
        ("uu", 7, True),
        ("ud", 7, False),
    ],
)
def test_so_many_must_be_up(parts: str, need: int, up: bool | None) -> None:
    assert composed(Verdict(), [WORDS[one] for one in parts], need, 9).up is up


def test_what_was_believed_stays_while_what_is_unknown_decides() -> None:
    for before in (UP, DOWN):
        assert composed(before, [UP, UNKNOWN], 0, 9) is before
        assert composed(before, [UNKNOWN], 0, 9) is before


def test_it_says_since_when_and_a_first_good_verdict_is_no_return() -> None:
    assert composed(Verdict(), [UP, UP], 0, 9) == Verdict(up=True, since=0)
    assert composed(UP, [UP, DOWN], 0, 9) == Verdict(up=False, since=9)
    fell = Verdict(up=False, since=9)
    assert composed(fell, [DOWN, DOWN], 0, 12) is fell
    assert composed(fell, [UP, UP], 0, 15) == Verdict(up=True, since=15)
