"""How much our own word takes away at a time: in virtual time, for any name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.health.guard import WINDOW, Stake, held_back

NOW = 100_000


def stakes(text: str) -> list[Stake]:
    """`NAME READY[a|g]`: `a` our evidence alone would take it, `g` it went a second ago, `o` long ago."""
    found = []
    for word in text.split(", "):
        key, ready, state = f"{word} ".split(" ")[:3]
        gone = {"g": NOW - 1_000, "o": NOW - WINDOW}.get(state, 0)
        found.append(Stake(key, int(ready), gone, 5 if state == "a" else None))
    return found


@pytest.mark.parametrize(
    ("text", "held"),
    [
        ("a 4 a", ""),
        ("a 4 a, b 4", ""),
        ("a 4 a, b 4 a", "b"),
        ("a 4 a, b 4 a, c 4 a", "b c"),
        ("a 4 a, b 4 a, c 4 a, d 4", "c"),
        ("a 4 a, b 4 g", "a"),
        ("a 4 a, b 4 o", ""),
        ("a 4 a, b 4 g, c 4, d 4", ""),
        ("a 4 a, b 4 g, c 4", "a"),
        ("a 100 a, b 1", ""),
        ("a 1 a, b 100 a", "b"),
        ("a 0 a, b 0 a, c 4", ""),
        ("a 4, b 4", ""),
    ],
)
def test_at_most_half_or_one(text: str, held: str) -> None:
    found = held_back(stakes(text), NOW)
    assert sorted(found) == held.split()
    assert set(found.values()) <= {NOW + WINDOW, NOW - 1_000 + WINDOW}


def test_who_has_been_down_longest_goes_first() -> None:
    assert list(held_back([Stake("a", 1, 0, 7), Stake("b", 1, 0, 6)], NOW)) == ["a"]


def test_a_clock_that_was_set_back_holds_nobody_for_ever() -> None:
    found = held_back([Stake("a", 1, NOW + 3_600_000), Stake("b", 1, 0, 5)], NOW)
    assert found == {"b": NOW + WINDOW}


@given(st.lists(st.integers(0, 50), min_size=1, max_size=12))
def test_a_sick_prober_needs_many_windows_to_take_all(ready: list[int]) -> None:
    """Everything is down by our word alone from the first moment: what goes in any ten seconds is half at most, or one."""
    gone: dict[str, int] = {}
    now = NOW
    while len(gone) < len(ready):
        held = held_back(
            [
                Stake(str(number), count, gone.get(str(number), 0), None if str(number) in gone else 5)
                for number, count in enumerate(ready)
            ],
            now,
        )
        left = sum(count for number, count in enumerate(ready) if str(number) not in gone)
        fresh = [number for number in range(len(ready)) if str(number) not in gone and str(number) not in held]
        taken = sum(ready[number] for number in fresh)
        assert fresh, "one can always go when nothing went of late"
        assert taken <= left // 2 or len([number for number in fresh if ready[number]]) == 1
        gone |= dict.fromkeys(map(str, fresh), now)
        assert all(until == now + WINDOW for until in held.values())
        now += WINDOW
