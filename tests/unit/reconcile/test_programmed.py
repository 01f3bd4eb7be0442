"""What a node's Envoy refuses of a service stands on the object that asked for it, and goes when it is gone."""

from pathlib import Path
from typing import Any

import pytest

from federation.adapters.memory import MemoryCluster
from federation.model.names import ServiceKey
from federation.model.record import Export, Port
from federation.model.report import EnvoyRefusal
from federation.ports import AgentState
from federation.reconcile.status import status
from federation.wire.k8s.policies import TrafficPolicySpec
from federation.wire.k8s.types import AccessPolicy, AccessPolicySpec, ObjectMeta, SourceSpec, TrafficPolicy
from tests.worlds.controller import World

WEB, API = ServiceKey("shop", "web"), ServiceKey("shop", "api")
WORDS = "route: unknown cluster 'x'"
TOLD = ("False", "Refused", f'Envoy on node "node1": {WORDS}; its last good form goes on there')
TOOK = ("True", "Programmed", "No proxy of this cluster refuses it.")


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path)
    made.cluster = MemoryCluster(native=True)
    made.loop = made.start()
    made.local("10.1.1.11")
    made.peer_says(Export(service=API, ports=(Port("http", 80, "TCP", "http"),)))
    made.step()
    return made


def agent(*refused: ServiceKey, connected: bool = True, text: str = WORDS) -> AgentState:
    refusals = tuple(EnvoyRefusal(key, text) for key in refused)
    return AgentState(connected=connected, wanted=b"", node=None, links=(), refused="", refusals=refusals)


def programmed(
    world: World, kind: str, agents: dict[str, AgentState], name: str = "web"
) -> tuple[str, str, str] | None:
    """Status, reason and message of this object's condition."""
    world.agents.said = agents
    world.loop.agent_reported("node1")
    world.step()
    [found] = [one for one in world.cluster.wanted[f"shop/{name}"] if one.kind == kind and one.status is not None]
    assert found.status is not None
    for one in found.status["conditions"]:
        if one["type"] == "Programmed":
            return (one["status"], one["reason"], one["message"])
    return None


def policy(**spec: Any) -> TrafficPolicy:
    return TrafficPolicy(metadata=ObjectMeta(name="web", namespace="shop"), spec=TrafficPolicySpec(**spec))


def test_it_stands_on_the_policy_and_is_true_again_when_it_is_gone(world: World) -> None:
    world.cluster.put(policy(threshold=50))
    assert programmed(world, "TrafficPolicy", {}) == TOOK
    assert programmed(world, "TrafficPolicy", {"node1": agent(WEB)}) == TOLD
    assert programmed(world, "ServiceExport", {"node1": agent(WEB)}) is None
    assert programmed(world, "TrafficPolicy", {"node1": agent(API)}) == TOOK
    assert programmed(world, "TrafficPolicy", {"node1": agent(WEB, connected=False)}) == TOOK


def test_without_a_policy_it_stands_on_the_export_and_else_on_the_import(world: World) -> None:
    assert programmed(world, "ServiceExport", {"node1": agent(WEB)}) == TOLD
    assert programmed(world, "ServiceExport", {}) is None
    assert programmed(world, "ServiceImport", {"node1": agent(API)}, "api") == TOLD
    assert programmed(world, "ServiceImport", {}, "api") is None


def test_of_many_nodes_three_are_named(world: World) -> None:
    nodes = {f"n{index}": agent(WEB, text=f"no {index}") for index in range(5)}
    told = programmed(world, "ServiceExport", nodes)
    assert told is not None
    assert told[2] == (
        'Envoy on node "n0": no 0; Envoy on node "n1": no 1; Envoy on node "n2": no 2; and on 2 more; '
        "its last good form goes on there"
    )


def test_it_stands_in_status_as_well(world: World) -> None:
    programmed(world, "ServiceExport", {"node1": agent(WEB)})
    row = next(row for row in status(world.loop)["services"] if row["service"] == "shop/web")
    assert f'shop/web: Envoy on node "node1": {WORDS}' in row["notes"]


def said_of_access(world: World, name: str) -> list[tuple[str, str, str]]:
    world.step()
    found = [one for wanted in world.cluster.wanted.values() for one in wanted if one.kind == "AccessPolicy"]
    [one] = [one for one in found if one.name == name]
    assert one.status is not None
    return [(said["type"], said["status"], said["message"]) for said in one.status["conditions"]]


@pytest.mark.parametrize("service", ["web", ""])
def test_an_access_policy_says_that_it_is_in_force_and_whom_it_names_in_vain(world: World, service: str) -> None:
    spec = AccessPolicySpec(service=service, sources=[SourceSpec(member="mars"), SourceSpec(member="eu-central")])
    world.cluster.put(AccessPolicy(metadata=ObjectMeta(name="front", namespace="shop"), spec=spec))
    assert said_of_access(world, "front") == [
        ("Accepted", "True", "In force as written."),
        ("Known", "False", 'There is no member "mars" in the federation (yet).'),
    ]
    assert "shop/front" not in [row["service"] for row in status(world.loop)["services"]]
