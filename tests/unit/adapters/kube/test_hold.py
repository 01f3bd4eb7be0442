"""Lists that are not obeyed at once."""

import pytest

from federation.adapters.kube.hold import Hold, suspect


@pytest.mark.parametrize(
    ("known", "there", "suspicious"),
    [
        (0, 0, False),
        (2, 0, False),
        (3, 0, True),
        (100, 9, True),
        (100, 10, False),
        (10, 1, False),
        (11, 1, True),
        (3, 9, False),
    ],
)
def test_which_lists_are_suspect(known: int, there: int, suspicious: bool) -> None:
    assert suspect(known, there) is suspicious


def test_a_suspicion_lasts_until_a_later_list_says_the_same() -> None:
    hold = Hold(30.0)
    assert (hold.obey(True, 100.0), hold.until()) == (False, 130.0)
    assert (hold.obey(True, 129.9), hold.until()) == (False, 130.0)
    assert (hold.obey(True, 130.0), hold.until()) == (True, None)


def test_a_good_list_ends_the_suspicion() -> None:
    hold = Hold(30.0)
    hold.obey(True, 100.0)
    assert (hold.obey(False, 105.0), hold.until()) == (True, None)
    assert not hold.obey(True, 140.0)
