"""Who is asked for the record of a member that we do not reach."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.model.errors import Refused
from federation.model.names import MemberName
from federation.session.tree import tree_of
from federation.sync.relay import CARRIERS, TURN, WANTS_MAX, assign, check_wants, wants_in, wants_tree

NAMES = st.lists(st.integers(0, 99).map(lambda n: MemberName(f"m{n}")), unique=True, max_size=60)


@given(NAMES, NAMES, st.floats(0, 1e6))
def test_each_is_asked_of_as_many_as_there_are_and_no_more(
    wanted: list[MemberName], carriers: list[MemberName], now: float
) -> None:
    asked = assign(wanted, carriers, now)
    assert asked.keys() == set(carriers)
    for name in wanted if len(wanted) <= WANTS_MAX else ():
        assert sum(name in names for names in asked.values()) == min(CARRIERS, len(carriers))


def test_one_that_withholds_is_left_in_time() -> None:
    carriers = [MemberName(name) for name in "abcd"]
    asked = {
        carrier
        for turn in range(4)
        for carrier, names in assign([MemberName("x")], carriers, turn * TURN).items()
        if names
    }
    assert asked == set(carriers)


def test_everybody_is_asked_for_in_time_however_many_are_away() -> None:
    away = [MemberName(f"m{number}") for number in range(2 * WANTS_MAX + 5)]
    carriers = [MemberName("c")]
    asked = {name for turn in range(6) for name in assign(away, carriers, turn * TURN)[carriers[0]]}
    assert asked == set(away)


def test_who_wants_too_many_records_is_refused() -> None:
    with pytest.raises(Refused) as caught:
        check_wants(tree_of({f"m{number}": b"" for number in range(WANTS_MAX + 1)}), "eu-central")
    assert str(caught.value) == 'E118 member "eu-central" wants 49 records of others > 48'


def test_only_members_that_are_known_are_served_and_not_more_than_the_limit() -> None:
    many = {MemberName(f"m{number}"): b"root" for number in range(WANTS_MAX + 5)}
    assert len(wants_in(wants_tree(many), many)) == WANTS_MAX
    assert wants_in(tree_of({"stranger": b""}), [MemberName("m1")]) == {}
