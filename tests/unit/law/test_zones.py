"""The node's own availability zone first: Envoy's zone-aware rule as a table."""

import pytest

from federation.law.zones import zone_parts
from federation.model.policy import Policy

AZ = Policy(order=("@az",))


@pytest.mark.parametrize(
    ("ready", "agents", "expected"),
    [
        ({"a": 4, "b": 4}, {"a": 1, "b": 1}, {"a": 1_000_000, "b": 0}),
        ({"a": 6, "b": 2}, {"a": 1, "b": 1}, {"a": 1_000_000, "b": 0}),
        ({"a": 2, "b": 6}, {"a": 1, "b": 1}, {"a": 500_000, "b": 500_000}),
        ({"a": 2, "b": 5, "c": 3}, {"a": 2, "b": 1, "c": 1}, {"a": 400_000, "b": 500_000, "c": 100_000}),
        ({"a": 1, "b": 9}, {"a": 3}, {"a": 100_000, "b": 900_000}),
    ],
)
def test_2_5_the_own_zone_takes_its_part_and_others_by_what_they_have_over(
    ready: dict[str, int], agents: dict[str, int], expected: dict[str, int]
) -> None:
    assert zone_parts(ready, "a", agents, AZ) == expected


@pytest.mark.parametrize(
    ("ready", "own", "agents", "policy"),
    [
        ({"a": 1, "b": 3}, "a", {"a": 1, "b": 1}, Policy()),
        ({"a": 1, "b": 3}, "c", {"a": 1, "c": 1}, AZ),
        ({"a": 1, "b": 3}, "a", {}, AZ),
        ({"a": 1, "b": 3, "c": 0}, "c", {"c": 1}, AZ),
    ],
)
def test_2_5_without_a_zone_to_prefer_endpoints_count_alike(
    ready: dict[str, int], own: str, agents: dict[str, int], policy: Policy
) -> None:
    assert zone_parts(ready, own, agents, policy) == {"a": 250_000, "b": 750_000}


def test_one_zone_takes_all_and_none_none() -> None:
    assert zone_parts({"b": 3}, "a", {"a": 1}, AZ) == {"b": 1_000_000}
    assert zone_parts({"a": 0}, "a", {"a": 1}, AZ) == {}
