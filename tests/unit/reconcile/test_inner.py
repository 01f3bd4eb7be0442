"""How a member's nodes and gateways learn of each other, and which rail each gateway has."""

from pathlib import Path

import pytest
from msgspec import structs

from federation.config import Enrolment
from federation.model.handout import Here, OwnGateway, OwnNode
from federation.model.report import NodeReport
from federation.ports import AgentState
from tests.worlds.controller import World


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def says(world: World, name: str, role: str, number: int, inside: str = "") -> None:
    """A program reports its WireGuard key."""
    gateway = role == "gateway"
    said = NodeReport(
        node=name,
        role="gateway" if gateway else "node",
        wireguard_key=bytes([number]) * 32,
        gateway_endpoint=f"192.0.2.{number}:51820" if gateway else "",
        gateway_port=15443 if gateway else 0,
        gateway_inside=inside,
    )
    world.agents.said[name] = AgentState(connected=True, wanted=b"", node=said, links=(), refused="")
    world.loop.agent_reported(name)


def of_kind(world: World, name: str, kind: type) -> list[object]:
    return [value for value in world.handout(name).values() if isinstance(value, kind)]


def test_nodes_learn_of_gateways_that_take_them_and_gateways_of_nodes(world: World) -> None:
    says(world, "gw1", "gateway", 1, "10.1.0.1:51900")
    says(world, "node1", "node", 2)
    (gateway,) = of_kind(world, "node1", OwnGateway)
    (node,) = of_kind(world, "gw1", OwnNode)
    assert isinstance(gateway, OwnGateway) and isinstance(node, OwnNode)
    assert (gateway.endpoint, gateway.key) == ("10.1.0.1:51900", bytes([1]) * 32)
    here = world.handout("node1")["here"]
    assert isinstance(here, Here) and node.overlay == here.overlay
    assert node.overlay.startswith(world.acme.member("us-east").overlay.removesuffix("::/64"))


def test_a_gateway_that_takes_no_nodes_is_none_of_theirs(world: World) -> None:
    says(world, "gw1", "gateway", 1)
    says(world, "node1", "node", 2)
    assert of_kind(world, "node1", OwnGateway) == of_kind(world, "gw1", OwnNode) == []


def test_who_is_away_stays_and_who_leaves_goes_over_a_restart_as_well(world: World) -> None:
    says(world, "gw1", "gateway", 1, "10.1.0.1:51900")
    says(world, "node1", "node", 2)
    before = of_kind(world, "gw1", OwnNode), of_kind(world, "node1", OwnGateway), world.handout("node1")["here"]
    world.agents.said.clear()
    world.loop = world.start()
    assert (
        of_kind(world, "gw1", OwnNode),
        of_kind(world, "node1", OwnGateway),
        world.handout("node1")["here"],
    ) == before
    (world.folder.agents / "node1.json").unlink()
    world.loop.wake(None)
    assert of_kind(world, "gw1", OwnNode) == []


def test_each_gateway_has_a_rail_and_the_ninth_none_until_one_leaves(world: World) -> None:
    for number in range(2, 10):
        world.folder.enrol(Enrolment(name=f"gw{number}", role="gateway"))
    for number in range(1, 10):
        says(world, f"gw{number}", "gateway", number)
    rails = {value.node: value.rail for key, value in world.record().items() if key.startswith("gateway/")}
    assert len(rails) == 8 and sorted(rails.values()) == list(range(1, 9))
    late = "gw9"
    site = world.handout("gw1")["site"]
    assert site.rails == rails and late in site.gateways
    (world.folder.agents / "gw3.json").unlink()
    world.loop.wake(None)
    now = {value.node: value.rail for key, value in world.record().items() if key.startswith("gateway/")}
    assert now == {name: rail for name, rail in rails.items() if name != "gw3"} | {late: rails["gw3"]}


def has_keys(world: World, name: str, slot: int, spare: bool) -> None:
    """A gateway reports the key in this slot, and whether it has the other."""
    says(world, name, "gateway", 10 + slot, "10.1.0.1:51900")
    state = world.agents.said[name]
    assert state.node is not None
    said = structs.replace(state.node, gateway_slot=slot, gateway_endpoint="192.0.2.1:51820")
    said = structs.replace(said, gateway_alternates=("198.51.100.1:4000",))
    said = structs.replace(said, spare_key=bytes([11 - slot]) * 32 if spare else b"", spare_proof=b"proof")
    world.agents.said[name] = structs.replace(state, node=said)
    world.loop.agent_reported(name)


def told(world: World) -> tuple[tuple[object, ...], tuple[object, ...] | None]:
    """What the record says of the first gateway: its key, endpoints and rail, and those of its other key."""
    made = world.record()["gateway/1"]
    ends = [made, made.spare] if made.spare else [made]
    said = [(one.key[0], one.endpoint, one.alternates, one.rail) for one in ends]
    return said[0], said[1] if made.spare else None


def at(slot: int, rail: int) -> tuple[object, ...]:
    return 10 + slot, f"192.0.2.1:{51820 + 8 * slot}", (f"198.51.100.1:{4000 + 8 * slot}",), rail


def test_a_gateway_with_two_keys_has_two_rails_until_one_has_gone(world: World) -> None:
    world.folder.enrol(Enrolment(name="gw2", role="gateway"))
    says(world, "gw2", "gateway", 2)
    steps = [
        (0, False, (at(0, 1), None), {"gw1": 1, "gw2": 2}),
        (0, True, (at(0, 1), at(1, 3)), {"gw1": 1, "gw1/1": 3, "gw2": 2}),
        (1, True, (at(1, 3), at(0, 1)), {"gw1": 1, "gw1/1": 3, "gw2": 2}),
        (1, False, (at(1, 3), None), {"gw1/1": 3, "gw2": 2}),
        (1, True, (at(1, 3), at(0, 1)), {"gw1": 1, "gw1/1": 3, "gw2": 2}),
    ]
    for slot, spare, record, rails in steps:
        has_keys(world, "gw1", slot, spare)
        assert told(world) == record
        assert world.handout("gw1")["site"].rails == rails
        held = world.agents.said.pop("gw1")
        world.loop = world.start()
        assert told(world) == record and world.handout("gw2")["site"].rails == rails, "while it is away all of it stays"
        world.agents.said["gw1"] = held


def test_nodes_learn_of_both_keys(world: World) -> None:
    says(world, "node1", "node", 2)
    for slot, ends in ((0, ("10.1.0.1:51900", "10.1.0.1:51901")), (1, ("10.1.0.1:51901", "10.1.0.1:51900"))):
        has_keys(world, "gw1", slot, True)
        (one,) = of_kind(world, "node1", OwnGateway)
        assert isinstance(one, OwnGateway)
        assert (one.slot, one.key[0], one.spare_key[0]) == (slot, 10 + slot, 11 - slot)
        assert (one.endpoint, one.spare_endpoint) == ends


def test_a_second_key_takes_no_rail_from_a_gateway(world: World) -> None:
    for number in range(2, 9):
        world.folder.enrol(Enrolment(name=f"gw{number}", role="gateway"))
        says(world, f"gw{number}", "gateway", number)
    has_keys(world, "gw1", 0, True)
    assert told(world) == (at(0, 1), None)
    assert "gw1/1" not in world.handout("gw1")["site"].rails
