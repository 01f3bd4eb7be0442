"""Answers of several members: each as often as its share says, no failure domain twice."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.law.divide import Share, apportion
from federation.law.several import Together, several

NONE: dict[str, str] = {}


def test_one_member_is_its_share() -> None:
    shares = (Share("a", 700_000), Share("b", 300_000))
    assert several(shares, ("c",), 1, NONE) == (Together(700_000, ("a",)), Together(300_000, ("b",)))


def test_two_of_three_alike_are_each_pair_as_often() -> None:
    shares = (Share("a", 400_000), Share("b", 300_000), Share("c", 300_000))
    found = several(shares, (), 2, NONE)
    assert often(found) == {"a": 800_000, "b": 600_000, "c": 600_000}


def test_who_stands_by_fills_up() -> None:
    assert several((Share("a", 1_000_000),), ("b", "c"), 2, NONE) == (Together(1_000_000, ("a", "b")),)
    assert several((Share("a", 1_000_000),), (), 2, NONE) == (Together(1_000_000, ("a",)),)


def test_no_failure_domain_is_twice_in_an_answer() -> None:
    domains = {"a": "eu", "b": "eu", "c": "us"}
    found = several((Share("a", 500_000), Share("b", 500_000)), ("c",), 2, domains)
    assert {one.members for one in found} == {("a", "c"), ("b", "c")}
    assert several((Share("a", 600_000), Share("b", 400_000)), (), 2, {"a": "eu", "b": "eu"}) == (
        Together(600_000, ("a",)),
        Together(400_000, ("b",)),
    )


def test_who_gets_no_address_still_gets_none() -> None:
    found = several((Share("a", 300_000), Share("", 700_000)), ("b",), 2, NONE)
    assert found == (Together(300_000, ("a", "b")), Together(700_000, ()))
    assert several((Share("", 1_000_000),), ("b",), 2, NONE) == (Together(1_000_000, ()),)


def test_without_shares_there_is_nothing() -> None:
    assert several((), ("b",), 2, NONE) == ()


@settings(derandomize=True, deadline=None, max_examples=300)
@given(st.lists(st.integers(1, 100), min_size=1, max_size=8), st.integers(1, 8), st.integers(1, 4), st.integers(0, 2))
def test_each_is_as_often_as_its_share_allows(weights: list[int], count: int, regions: int, standby: int) -> None:
    members = [f"m{at}" for at in range(len(weights) + standby)]
    domains = {member: f"r{at % regions}" for at, member in enumerate(members)}
    given_ = apportion(dict(zip(members, weights, strict=False)), 1_000_000)
    shares = [Share(member, ppm) for member, ppm in given_.items()]
    found = several(shares, members[len(weights) :], count, domains)
    assert sum(one.ppm for one in found) == 1_000_000
    assert all(one.ppm > 0 for one in found)
    size = min(count, len(set(domains.values()))) if count > 1 else 1
    assert all(len(one.members) == size for one in found)
    assert all(len({domains[member] for member in one.members}) == size for one in found)
    wanted = {r: count * sum(given_[m] for m in given_ if domains[m] == r) for r in domains.values()}
    have = often(found)
    for region, ppm in wanted.items():
        due = min(1_000_000, ppm)
        got = sum(have.get(m, 0) for m in members if domains[m] == region)
        assert got >= due - len(members), (region, got, due)


def often(found: tuple[Together, ...]) -> dict[str, int]:
    total: dict[str, int] = {}
    for one in found:
        for member in one.members:
            total[member] = total.get(member, 0) + one.ppm
    return total


@pytest.mark.parametrize("count", [2, 3, 8])
def test_there_are_no_more_answers_than_members(count: int) -> None:
    shares = [Share(f"m{at}", ppm) for at, ppm in enumerate((400_000, 250_000, 200_000, 100_000, 50_000))]
    assert len(several(shares, (), count, NONE)) <= 5
