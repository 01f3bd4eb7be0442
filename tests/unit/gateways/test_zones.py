"""`@az` in a policy's order: inside the own member, the node's own availability zone first."""

from msgspec import structs

from federation.model.handout import Here, Site, Workload
from federation.model.policy import Policy
from federation.model.record import Endpoint
from gateways.evidence import NOTHING
from gateways.planner import Planner
from gateways.state import Locality, Situation
from tests.worlds.two_members import DOMAIN, candidate, keyed, painted, peer, site, web_import, web_pool

US, EU = painted("us-east"), painted("eu-central")
EU_PEER = peer(EU, "192.0.2.2:51820")
CLIENT = Workload("default", "client", ("10.1.0.10",))
NODE = Situation(node="n1", role="node", member="us-east", domain=DOMAIN, address="10.1.0.1")

NEAR = Policy(order=("@az",))
A, B = web_pool(Endpoint("10.1.1.1"), Endpoint("10.1.1.2"), az="a"), web_pool(Endpoint("10.1.2.1"), az="b")


def standing(zones: dict[str, int]) -> Site:
    return structs.replace(site(US), zones=zones)


def localities(planner: Planner) -> dict[tuple[str, str], Locality]:
    [service] = planner.state.services.values()
    found = next(cluster for cluster in service.clusters if cluster.identity is not None)
    return {(one.member, one.zone): one for one in found.localities}


def planned(az: str, zones: dict[str, int], policy: Policy = NEAR) -> Planner:
    item = structs.replace(web_import(candidate(US, 3, 3), candidate(EU, 1, 1)), policy=policy)
    planner = Planner(NODE)
    planner.step(keyed(standing(zones), Here(az), EU_PEER, item, A, B, CLIENT), NOTHING)
    return planner


def test_a_zone_with_its_part_of_endpoints_keeps_its_requests() -> None:
    found = localities(planned("a", {"a": 1, "b": 1}))
    assert {key: one.weight for key, one in found.items()} == {
        ("us-east", "a"): 1_000_000,
        ("us-east", "b"): 0,
        ("eu-central", ""): 0,
    }
    assert [host.address for host in found["us-east", "a"].hosts] == ["10.1.1.1", "10.1.1.2"]


def test_a_zone_with_less_sends_the_rest_to_who_has_more() -> None:
    """One of three endpoints for half of the agents: two thirds stay."""
    found = localities(planned("b", {"a": 1, "b": 1}))
    assert {key: one.weight for key, one in found.items() if one.weight} == {
        ("us-east", "b"): 666_666,
        ("us-east", "a"): 333_334,
    }


def test_without_the_term_the_member_is_one() -> None:
    assert localities(planned("a", {"a": 1, "b": 1}, Policy()))["us-east", ""].weight == 1_000_000


def test_without_a_zone_of_its_own_a_node_goes_by_endpoints() -> None:
    for planner in (planned("c", {"c": 1}), planned("", {"a": 1})):
        found = localities(planner)
        assert {zone: one.weight for (member, zone), one in found.items() if member == "us-east"} == {
            "a": 666_667,
            "b": 333_333,
        }


def test_a_node_that_joins_in_another_zone_moves_the_parts() -> None:
    planner = planned("b", {"a": 1, "b": 1})
    planner.step({"site": standing({"a": 2, "b": 1})}, NOTHING)
    assert localities(planner)["us-east", "b"].weight == 1_000_000
    planner.step({"here": Here("a")}, NOTHING)
    assert localities(planner)["us-east", "a"].weight == 1_000_000
