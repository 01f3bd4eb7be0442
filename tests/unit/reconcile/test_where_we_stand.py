"""Zones of nodes and labels of members: what agents and peers are told of where things stand."""

from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from federation.adapters.memory import MemoryCluster
from federation.config import Enrolment
from federation.model.handout import Here
from federation.model.moves import Leaving, Shift
from federation.model.names import MemberName, ServiceKey
from federation.model.record import About, Export, Port
from federation.model.report import LinkReport, NodeReport
from federation.model.wish import Wish
from federation.plan.service import ServiceInputs, ServicePlan, plan_service
from federation.ports import AgentState
from federation.session.tree import Change
from federation.wire.k8s.core import Node, NodeSpec
from federation.wire.k8s.types import ObjectMeta
from tests.unit.reconcile.test_steering import policy
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


def zone(world: World, name: str) -> str:
    here = world.handout(name)["here"]
    assert isinstance(here, Here)
    return here.az


def test_an_agent_knows_its_zone_and_how_many_stand_in_each(world: World) -> None:
    """By the enrolment, else by the label of the node in Kubernetes, else the member's own."""
    world.folder.enrol(Enrolment(name="n1", role="node", az="z-said"))
    world.folder.enrol(Enrolment(name="n2", role="node", kubernetes="k2"))
    world.cluster.put(node("k2", "Z_Label"))
    world.local("10.1.1.11")
    world.step()
    assert zone(world, "n1") == "z-said"
    assert zone(world, "n2") == "z-label"
    own = world.loop.parts.own.az
    assert zone(world, "node1") == own
    assert world.handout("n1")["site"].zones == {own: 1, "z-label": 1, "z-said": 1}


def test_a_node_that_moves_to_another_zone_is_told(world: World) -> None:
    world.folder.enrol(Enrolment(name="n2", role="node", kubernetes="k2"))
    world.cluster.put(node("k2", "a"))
    world.step()
    assert zone(world, "n2") == "a"
    world.cluster.put(node("k2", "b"))
    world.step()
    assert zone(world, "n2") == "b"
    assert world.handout("n2")["site"].zones == {world.loop.parts.own.az: 1, "b": 1}


def test_a_node_is_told_the_ranges_that_kubernetes_gave_its_pods(world: World) -> None:
    """And what is no range is nobody's."""
    world.folder.enrol(Enrolment(name="n2", role="node", kubernetes="k2"))
    world.cluster.put(structs.replace(node("k2", "a"), spec=NodeSpec(pod_cidrs=("10.1.3.0/24", "fd00::1/64"))))
    world.step()
    report = NodeReport(node="n2", role="node", wireguard_key=b"n" * 32)
    world.agents.said["n2"] = AgentState(connected=True, wanted=b"", node=report, links=(), refused="")
    world.loop.agent_reported("n2")
    assert world.handout("n2")["here"].pods == ("10.1.3.0/24",)
    assert world.handout("gw1")["own-node/n2"].pods == ("10.1.3.0/24",)
    world.cluster.put(structs.replace(node("k2", "a"), spec=NodeSpec(pod_cidrs=("10.1.4.0/24",))))
    world.step()
    assert world.handout("gw1")["own-node/n2"].pods == ("10.1.4.0/24",)


def test_a_members_labels_reach_the_candidates_of_others(world: World) -> None:
    world.peer_says(
        Export(service=ServiceKey("shop", "web"), ports=PORTS), About(EU, "eu-central", "1", labels={"tier": "gold"})
    )
    assert world.handout("node1")["import/shop/web"].candidates[0].labels == {"tier": "gold"}


def other(index: int) -> Export:
    return Export(service=ServiceKey("shop", f"s{index}"), ports=PORTS)


def about(**said: Any) -> About:
    return About(EU, "eu-central", "1", **said)


def planned(world: World, monkeypatch: pytest.MonkeyPatch, said: About) -> set[str]:
    """The services that are planned when the peer says this of itself, once all else is done."""
    world.step()
    world.peers.view["about"] = said
    world.loop.peer_changed(EU, Change({"about": b""}, frozenset()))
    return planned_now(world, monkeypatch)


def planned_now(world: World, monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The services that the next pass plans."""
    found: list[str] = []

    def noted(inputs: ServiceInputs) -> ServicePlan:
        found.append(str(inputs.local.key))
        return plan_service(inputs)

    monkeypatch.setattr("federation.reconcile.loop.plan_service", noted)
    world.step()
    monkeypatch.setattr("federation.reconcile.loop.plan_service", plan_service)
    return set(found)


def test_a_peer_that_drains_and_returns_each_second_costs_its_own_services_alone(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pass over 5,000 services takes seconds: whoever could ask for one each second would have it all."""
    world.local("10.1.1.11")
    world.peer_says(other(1), about())
    world.step()
    assert planned(world, monkeypatch, about(leaving=Leaving(5))) == {"shop/s1"}
    assert world.handout("node1")["import/shop/s1"].candidates[0].leaving == Leaving(5)
    assert planned(world, monkeypatch, about()) == {"shop/s1"}
    assert world.handout("node1")["import/shop/s1"].candidates[0].leaving is None


def test_a_policy_that_names_a_label_is_looked_at_when_somebody_has_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.local("10.1.1.11")
    world.peer_says(other(1), about())
    world.cluster.put(policy(order=["label/tier=gold"]))
    world.step()
    assert world.handout("node1")["import/shop/web"].policy.order == ()
    assert planned(world, monkeypatch, about(labels={"tier": "gold"})) == {"shop/s1", "shop/web"}
    assert world.handout("node1")["import/shop/web"].policy.order == ("label/tier=gold",)


def test_a_peers_shifts_to_no_member_reach_nobody(world: World) -> None:
    shift = Shift(service=ServiceKey("shop", "s1"), source=EU, to=MemberName("us-east"), ppm=1, since=1)
    nowhere = [structs.replace(shift, to=MemberName(f"m{number}")) for number in range(100)]
    world.peer_says(other(1), about(), shift, *nowhere)
    assert world.handout("node1")["import/shop/s1"].shifts == (shift,)


def test_a_way_that_turns_costs_the_services_of_its_far_end_alone(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A peer makes its round trip what it likes, and its link flap."""
    world.local("10.1.1.11")
    world.cluster.put(policy(capacity=10))
    world.peer_says(structs.replace(other(1), hint=Wish(capacity=5)), about())
    world.step()
    world.step()
    for rtt_us, up in ((90_000, True), (300_000, True), (300_000, False)):
        link = LinkReport(member=EU, gateway=1, handshake_age=1, rx=0, tx=0, rtt_us=rtt_us, up=up, since=1)
        node = NodeReport(node="gw1", role="gateway")
        world.agents.said["gw1"] = AgentState(connected=True, wanted=b"", node=node, links=(link,), refused="")
        world.loop.agent_reported("gw1")
        assert planned_now(world, monkeypatch) == {"shop/s1"}
