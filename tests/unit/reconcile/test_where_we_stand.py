"""Zones of nodes and labels of members: what agents and peers are told of where things stand."""

from pathlib import Path

import pytest

from federation.adapters.memory import MemoryCluster
from federation.config import Enrolment
from federation.model.handout import Here
from federation.model.names import ServiceKey
from federation.model.record import About, Export, Port
from federation.wire.k8s.core import Node
from federation.wire.k8s.types import ObjectMeta
from tests.worlds.controller import EU, World

PORTS = (Port("http", 80, "TCP", "http"),)


def node(name: str, zone: str) -> Node:
    return Node(metadata=ObjectMeta(name=name, labels={"topology.kubernetes.io/zone": zone}))


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path)
    world.cluster = MemoryCluster(native=True)
    world.loop = world.start()
    return world


def test_an_agent_knows_its_zone_and_how_many_stand_in_each(world: World) -> None:
    """By the enrolment, else by the label of the node in Kubernetes, else the member's own."""
    world.folder.enrol(Enrolment(name="n1", role="node", az="z-said"))
    world.folder.enrol(Enrolment(name="n2", role="node", kubernetes="k2"))
    world.cluster.put(node("k2", "Z_Label"))
    world.local("10.1.1.11")
    world.step()
    assert world.handout("n1")["here"] == Here("z-said")
    assert world.handout("n2")["here"] == Here("z-label")
    own = world.loop.parts.own.az
    assert world.handout("node1")["here"] == Here(own)
    assert world.handout("n1")["site"].zones == {own: 1, "z-label": 1, "z-said": 1}


def test_a_node_that_moves_to_another_zone_is_told(world: World) -> None:
    world.folder.enrol(Enrolment(name="n2", role="node", kubernetes="k2"))
    world.cluster.put(node("k2", "a"))
    world.step()
    assert world.handout("n2")["here"] == Here("a")
    world.cluster.put(node("k2", "b"))
    world.step()
    assert world.handout("n2")["here"] == Here("b")
    assert world.handout("n2")["site"].zones == {world.loop.parts.own.az: 1, "b": 1}


def test_a_members_labels_reach_the_candidates_of_others(world: World) -> None:
    world.peer_says(
        Export(service=ServiceKey("shop", "web"), ports=PORTS), About(EU, "eu-central", "1", labels={"tier": "gold"})
    )
    assert world.handout("node1")["import/shop/web"].candidates[0].labels == {"tier": "gold"}
