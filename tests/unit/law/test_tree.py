"""Trees of policies: who gets which part of the clients of a place."""

from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.law.case import Case
from federation.law.shares import Ruling
from federation.law.tree import route
from federation.model.handout import Candidate
from federation.model.names import MemberName
from federation.model.policy import Policy
from federation.model.routing import (
    AnyNode,
    Canary,
    Chosen,
    Failover,
    Geo,
    Latency,
    Law,
    Match,
    Proximity,
    Routing,
    Spot,
    Static,
    Subnets,
    Weight,
    Weighted,
)
from federation.model.routing_faults import routing_fault
from federation.model.standing import Standing

NOW = 1_700_000_000_000
REGIONS = {"eu1": "eu", "eu2": "eu", "us1": "us", "ap1": "ap"}


def candidate(member: str, ready: int = 4, total: int = 4, since: int = 0, floor: int = 0) -> Candidate:
    return Candidate(
        member=MemberName(member), region=REGIONS[member], cost=10, ready=ready, total=total, since=since, floor=floor
    )


ALL = tuple(map(candidate, REGIONS))


def routed(
    nodes: dict[str, AnyNode],
    candidates: tuple[Candidate, ...] = ALL,
    paths: Mapping[str, Standing] | None = None,
    chosen: Chosen | None = None,
    policy: Policy | None = None,
) -> Ruling:
    case = Case("us1", policy or Policy(), paths or {}, NOW)
    return route(Routing(next(iter(nodes)), nodes), candidates, case, chosen or {})


def shares(ruling: Ruling) -> dict[str, int]:
    return {share.member: share.ppm for share in ruling.shares}


def down(*members: str, since: int = NOW - 5_000) -> dict[str, Standing]:
    return {member: Standing(up=False, since=since) for member in members}


LEVELS: dict[str, AnyNode] = {"levels": Failover(to=("member/eu1", "member/us1", "ap"))}


def test_failover_goes_level_by_level_and_never_to_one_that_is_down() -> None:
    assert shares(routed(LEVELS)) == {"eu1": 1_000_000}
    assert shares(routed(LEVELS, paths=down("eu1"))) == {"us1": 1_000_000}
    assert shares(routed(LEVELS, paths=down("eu1", "us1"))) == {"ap1": 1_000_000}


def test_what_a_level_has_no_room_for_goes_to_the_next() -> None:
    half = (candidate("eu1", ready=2), *ALL[1:])
    assert shares(routed(LEVELS, half)) == {"eu1": 700_000, "us1": 300_000}


def test_a_level_that_comes_back_gets_its_clients_step_by_step() -> None:
    back = {"eu1": Standing(up=True, since=NOW - 25_000)}
    ruling = routed(LEVELS, paths=back)
    assert shares(ruling) == {"eu1": 200_000, "us1": 800_000}
    assert ruling.until == NOW + 5_000


def test_weights_divide_what_is_up_and_standbys_wait() -> None:
    nodes: dict[str, AnyNode] = {"w": Weighted(to=(Weight("eu", 3), Weight("us", 1), Weight("ap", 0)))}
    assert shares(routed(nodes)) == {"eu1": 750_000, "us1": 250_000}
    assert shares(routed(nodes, paths=down("us1"))) == {"eu1": 1_000_000}
    assert shares(routed(nodes, paths=down("us1", "eu1", "eu2"))) == {"ap1": 1_000_000}


def test_a_canary_gets_its_part_and_the_rest_follows_the_others() -> None:
    nodes: dict[str, AnyNode] = {"try": Canary(to="ap", ppm=50_000, otherwise=("eu", "us"))}
    assert shares(routed(nodes)) == {"ap1": 50_000, "eu1": 950_000}
    assert shares(routed(nodes, paths=down("ap1"))) == {"eu1": 1_000_000}
    assert shares(routed(nodes, paths=down("eu1", "eu2", "us1"))) == {"ap1": 1_000_000}


GEO: dict[str, AnyNode] = {
    "world": Geo(
        rules=(Match(("continent/EU",), ("policy/europe",)), Match(("country/JP",), ("ap",))), otherwise=("us",)
    ),
    "europe": Failover(to=("eu",), at_least=2),
}


def test_the_place_chooses_a_rule_and_otherwise_is_next() -> None:
    assert shares(routed(GEO, chosen={"world": (0,)})) == {"eu1": 1_000_000}
    assert shares(routed(GEO, chosen={"world": (1,)})) == {"ap1": 1_000_000}
    assert shares(routed(GEO)) == {"us1": 1_000_000}
    assert shares(routed(GEO, chosen={"world": (1,)}, paths=down("ap1"))) == {"us1": 1_000_000}


def test_proximity_and_latency_take_the_order_of_the_place() -> None:
    spots = (Spot("eu", 50_000, 8_000), Spot("us", 40_000, -75_000), Spot("ap", 35_000, 139_000))
    near: dict[str, AnyNode] = {"near": Proximity(to=spots)}
    assert shares(routed(near, chosen={"near": (2, 1, 0)})) == {"ap1": 1_000_000}
    assert shares(routed(near, chosen={"near": (2, 1, 0)}, paths=down("ap1"))) == {"us1": 1_000_000}
    fast: dict[str, AnyNode] = {"fast": Latency(to=("eu", "us"))}
    assert shares(routed(fast, chosen={"fast": (1, 0)})) == {"us1": 1_000_000}
    assert shares(routed(fast)) == {"eu1": 1_000_000}


def test_static_addresses_are_there_whatever_is_down() -> None:
    nodes: dict[str, AnyNode] = {
        "levels": Failover(to=("eu", "policy/sorry")),
        "sorry": Static(addresses=("192.0.2.1",)),
    }
    assert shares(routed(nodes)) == {"eu1": 1_000_000}
    assert shares(routed(nodes, paths=down("eu1", "eu2"))) == {"static/sorry": 1_000_000}


@pytest.mark.parametrize(
    ("node", "found"),
    [
        (Law(to=("eu",)), {"eu1": 1_000_000}),
        (Law(to=("eu",), at_least=2), {"eu1": 1_000_000}),
        (Law(to=("eu",), down="closed"), {"": 1_000_000}),
        (Law(to=("eu",), down="last"), {"eu2": 1_000_000}),
        (Law(to=("eu",), down="open"), {"eu1": 1_000_000}),
    ],
)
def test_with_all_of_it_down_a_node_does_as_it_says(node: AnyNode, found: dict[str, int]) -> None:
    """eu2 went last. Without a word of its own the whole name fails open."""
    paths = down("us1", "ap1", "eu1") | down("eu2", since=NOW - 1_000)
    assert shares(routed({"only": node}, paths=paths)) == found


def test_a_node_with_too_few_members_counts_as_down() -> None:
    nodes: dict[str, AnyNode] = {
        "levels": Failover(to=("policy/europe", "us")),
        "europe": Weighted(to=(Weight("member/eu1", 1), Weight("member/eu2", 1)), at_least=2),
    }
    assert shares(routed(nodes)) == {"eu1": 500_000, "eu2": 500_000}
    ruling = routed(nodes, paths=down("eu2"))
    assert shares(ruling) == {"us1": 1_000_000}
    assert "policy europe: 1 can take requests, 2 must: the one above decides" in ruling.rules


def test_drains_and_residency_hold_inside_a_tree() -> None:
    assert shares(routed(LEVELS, policy=Policy(drain=("eu",)))) == {"us1": 1_000_000}
    assert shares(routed(LEVELS, policy=Policy(drain=("eu", "us", "ap")))) == {"eu1": 1_000_000}
    assert shares(routed(LEVELS, policy=Policy(residency=("ap",)))) == {"ap1": 1_000_000}
    assert routed(LEVELS, policy=Policy(residency=("mars",))).shares == ()


def test_a_walk_costs_what_the_tree_has_however_often_its_nodes_are_named() -> None:
    """Thirty nodes that each name the next one twice, all of them empty and open."""
    nodes: dict[str, AnyNode] = {
        f"n{at}": Failover(to=(f"policy/n{at + 1}", f"policy/n{at + 1}"), down="open") for at in range(30)
    }
    nodes["n30"] = Subnets(rules=(Match(("192.0.2.0/24",), ("mars",)),), otherwise=("mars",), down="open")
    assert routed(nodes, policy=Policy()).shares == ()


FAULTS = [
    ({"a": Failover(to=("policy/b",))}, 'policy "a": there is no policy "b"; known: a'),
    (
        {"a": Failover(to=("policy/b",)), "b": Canary(to="eu", ppm=1, otherwise=("policy/a",))},
        'policy "a": a -> b -> a leads back to itself',
    ),
    ({"a": Failover(to=("eu",)), "b": Failover(to=("eu",))}, 'policy "b": no other leads to it, and "a" is the first'),
]


@pytest.mark.parametrize(("nodes", "said"), FAULTS)
def test_what_is_no_tree_is_told(nodes: dict[str, AnyNode], said: str) -> None:
    assert routing_fault(Routing("a", nodes)) == said


terms = st.sampled_from(["eu", "us", "ap", "member/eu2", "*", "mars"])
lists = st.lists(terms, min_size=1, max_size=3).map(tuple)
downs = st.sampled_from(["up", "open", "closed", "last"])
leaves: st.SearchStrategy[AnyNode] = st.one_of(
    st.builds(Law, to=lists, down=downs, at_least=st.integers(1, 3)),
    st.builds(Failover, to=lists, down=downs),
    st.builds(Canary, to=terms, ppm=st.integers(1, 1_000_000), otherwise=lists, down=downs),
    st.builds(Weighted, to=st.lists(st.builds(Weight, terms, st.integers(0, 5)), min_size=1, max_size=3).map(tuple)),
)
states = st.tuples(*[st.tuples(st.integers(0, 4), st.booleans(), st.sampled_from([0, 15_000]))] * 4)


@settings(derandomize=True, deadline=None, max_examples=300)
@given(st.lists(leaves, min_size=1, max_size=4), states)
def test_parts_sum_to_one_million_and_a_live_name_is_never_empty(
    leaves: list[AnyNode], states: tuple[tuple[int, bool, int], ...]
) -> None:
    nodes: dict[str, AnyNode] = {f"n{at}": leaf for at, leaf in enumerate(leaves)}
    root: dict[str, AnyNode] = {"root": Failover(to=(*(f"policy/{name}" for name in nodes), "*"))}
    candidates = tuple(candidate(member, ready) for member, (ready, _, _) in zip(REGIONS, states, strict=True))
    paths = {
        member: Standing(up, NOW - ago if ago else 0) for member, (_, up, ago) in zip(REGIONS, states, strict=True)
    }
    found = shares(routed(root | nodes, candidates, paths))
    assert sum(found.values()) == 1_000_000
    assert all(found.values())
    ready = {member for member, (ready, up, _) in zip(REGIONS, states, strict=True) if ready and up}
    closed = "" in found or any(leaf.down in ("open", "last") for leaf in leaves)
    assert closed or not ready or found.keys() <= ready
