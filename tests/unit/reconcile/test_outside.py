"""Where our gateways are reached from outside: by what Kubernetes says of their nodes and of Services in front of them."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec import structs

from federation.adapters.kube.kinds import FOLLOWED
from federation.adapters.kube.reading import read_object
from federation.adapters.memory import MemoryCluster
from federation.adapters.outside import external_addresses
from federation.config import Enrolment
from federation.model.local import Outside
from federation.model.report import NodeReport
from federation.ports import AgentState
from federation.wire.k8s.core import Node, Service
from tests.worlds.controller import World

PUBLIC, BALANCER = "203.0.113.7", "198.51.100.20"


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path)
    world.cluster = MemoryCluster(native=True)
    world.loop = world.start()
    (world.folder.agents / "gw1.json").unlink()
    world.folder.enrol(Enrolment(name="gw1", role="gateway", kubernetes="k1"))
    node = NodeReport(
        node="gw1", role="gateway", wireguard_key=b"k" * 32, gateway_endpoint="10.9.0.1:51820", gateway_port=15443
    )
    world.agents.said["gw1"] = AgentState(connected=True, wanted=b"", node=node, links=(), refused="")
    world.loop.agent_reported("gw1")
    world.local("10.1.1.11")
    return world


def node(*addresses: str, name: str = "k1") -> Node:
    listed = [{"type": "InternalIP", "address": "10.9.0.1"}, {"type": "Hostname", "address": "k1"}]
    listed += [{"type": "ExternalIP", "address": one} for one in addresses]
    return msgspec.convert({"metadata": {"name": name}, "status": {"addresses": listed}}, Node)


def front(kind: str, *given: Any, gateway: str = "k1", name: str = "wg", **spec: Any) -> Service:
    ports = [
        {"name": "second", "port": 40001, "protocol": "UDP", "nodePort": 31001},
        {"name": "first", "port": 40000, "protocol": "UDP", "nodePort": 31000},
        {"name": "other", "port": 80, "protocol": "TCP", "nodePort": 31002},
    ]
    meta = {"name": name, "namespace": "isthmus", "annotations": {"isthmus.dev/gateway": gateway} if gateway else {}}
    return msgspec.convert(
        {
            "metadata": meta,
            "spec": {"type": kind, "ports": ports, **spec},
            "status": {"loadBalancer": {"ingress": given}},
        },
        Service,
    )


def further(world: World) -> tuple[str, ...]:
    found = world.record()["gateway/1"]
    assert found.endpoint == "10.9.0.1:51820"
    return tuple(found.alternates)


def test_the_external_address_of_its_node_is_tried_too(world: World) -> None:
    world.cluster.put(node(PUBLIC, "2001:db8::7"))
    assert further(world) == (f"{PUBLIC}:51820", "[2001:db8::7]:51820")
    world.cluster.put(node(name="k2"))
    world.cluster.put(node())
    assert further(world) == ()


def test_a_balancer_in_front_of_it_comes_first_and_goes_with_its_service(world: World) -> None:
    world.cluster.put(node(PUBLIC))
    service = front("LoadBalancer", {"ip": BALANCER}, {"hostname": "lb.example"}, {"ip": "not one"})
    world.cluster.put(service)
    assert further(world) == (f"{BALANCER}:40000", f"{PUBLIC}:31000", f"{PUBLIC}:51820")
    world.cluster.put(front("LoadBalancer", {"ip": BALANCER}, gateway=""))
    assert further(world) == (f"{PUBLIC}:51820",)
    world.cluster.put(service)
    world.cluster.drop(("Service", "isthmus", "wg"))
    assert further(world) == (f"{PUBLIC}:51820",)


OUTSIDES: dict[str, tuple[tuple[Service, ...], tuple[str, ...]]] = {
    "node port": ((front("NodePort"),), (f"{PUBLIC}:31000",)),
    "external addresses": ((front("ClusterIP", externalIPs=[BALANCER]),), (f"{BALANCER}:40000",)),
    "another's": ((front("LoadBalancer", {"ip": BALANCER}, gateway="k2"),), ()),
    "nobody's": ((front("LoadBalancer", {"ip": BALANCER}, gateway=""),), ()),
    "no balancer yet": ((front("LoadBalancer"),), (f"{PUBLIC}:31000",)),
    "two, by name": (
        (front("ClusterIP", externalIPs=["192.0.2.9"], name="z"), front("ClusterIP", externalIPs=[BALANCER], name="a")),
        (f"{BALANCER}:40000", "192.0.2.9:40000"),
    ),
}


@pytest.mark.parametrize("case", OUTSIDES)
def test_what_a_service_says(case: str) -> None:
    services, wanted = OUTSIDES[case]
    cluster = MemoryCluster(native=True)
    cluster.put(node(PUBLIC))
    for service in services:
        cluster.put(service)
    assert cluster.outside("k1") == Outside((PUBLIC,), wanted)


def test_what_peers_would_refuse_is_left_out_lest_they_refuse_the_gateway(world: World) -> None:
    """eu-central owns 10.2.0.0/16, and nobody sends through the overlay or to a port without room for rails."""
    inside = world.acme.member("eu-central").overlay.replace("::/64", "::9")
    world.cluster.put(node("10.2.5.5", "127.0.0.9", inside, PUBLIC))
    world.cluster.put(front("ClusterIP", externalIPs=["169.254.1.1"]))
    assert further(world) == (f"{PUBLIC}:51820",)


def test_what_the_agent_was_told_comes_first_and_three_are_enough(world: World) -> None:
    state = world.agents.said["gw1"]
    assert state.node is not None
    told = structs.replace(state.node, gateway_alternates=("192.0.2.50:51820",))
    world.agents.said["gw1"] = structs.replace(state, node=told)
    world.loop.agent_reported("gw1")
    world.cluster.put(node("203.0.113.1", "203.0.113.2", "203.0.113.3"))
    assert further(world) == ("192.0.2.50:51820", "203.0.113.1:51820", "203.0.113.2:51820")


def test_of_what_a_node_says_of_itself_its_external_addresses_are_kept() -> None:
    """The rest changes all the time, and nobody reads it."""
    status = {"conditions": [{"type": "Ready"}], "images": [{}], **node(PUBLIC).status}
    raw = msgspec.Raw(
        msgspec.json.encode({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "k1"}, "status": status})
    )
    found = read_object(FOLLOWED["Node"], raw)
    assert isinstance(found, Node) and external_addresses(found.status) == (PUBLIC,)
    assert found.status == {"addresses": [{"type": "ExternalIP", "address": PUBLIC}]}
