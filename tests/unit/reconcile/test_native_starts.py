"""What a controller that starts waits for, and what node agents know of pods."""

from pathlib import Path

import pytest

from federation.adapters.memory import MemoryCluster
from federation.config import Enrolment
from federation.model.handout import Workload
from federation.model.names import ServiceKey
from federation.model.policy import Policy
from federation.model.record import Export, Port
from federation.reconcile.heard import PATIENCE
from federation.wire.k8s.core import Pod, PodIp, PodSpec, PodStatus
from federation.wire.k8s.types import ObjectMeta, TrafficPolicy, TrafficPolicySpec
from tests.worlds.controller import EU, HEAD, World

WEB = ServiceKey("shop", "web")
PORTS = (Port("http", 80, "TCP", "http"),)


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path)
    world.cluster = MemoryCluster(native=True)
    world.loop = world.start()
    return world


def test_a_controller_that_lost_its_disk_waits_for_the_records_that_it_had(world: World) -> None:
    """As a new pod does: nothing of a peer is taken back before the peer is heard, or has been waited for."""
    world.peer_says(Export(service=WEB, ports=PORTS))
    world.step()
    world.cluster.completed = False
    world.peers.head, world.peers.view = None, {}
    world.agents.given.clear()
    world.loop = world.start()
    world.step()
    assert world.agents.given == {}
    assert not world.cluster.completed
    assert world.cluster.wanted["shop/web"]
    world.peers.head = HEAD
    world.peer_says(Export(service=WEB, ports=PORTS))
    assert world.handout("node1")["import/shop/web"].candidates[0].member == EU
    assert world.cluster.completed


def test_a_peer_that_does_not_come_is_not_waited_for_longer_than_patience(world: World) -> None:
    world.peer_says(Export(service=WEB, ports=PORTS))
    world.step()
    world.cluster.completed = False
    world.peers.head, world.peers.view = None, {}
    world.agents.given.clear()
    world.loop = world.start()
    world.step()
    world.clock.advance(PATIENCE)
    world.step()
    assert "import/shop/web" not in world.handout("node1")
    assert not world.cluster.completed


def test_a_node_agent_knows_the_pods_on_its_node_and_no_others(world: World) -> None:
    world.folder.enrol(Enrolment(name="n1-node", role="node", kubernetes="n1"))
    world.folder.enrol(Enrolment(name="n2-node", role="node", kubernetes="n2"))
    world.local("10.1.1.11")
    world.step()
    before = world.agents.count
    spec = PodSpec(node_name="n1", service_account_name="client")
    status = PodStatus(phase="Running", pod_ips=[PodIp("10.1.1.50")])
    world.cluster.put(Pod(metadata=ObjectMeta(name="client-0", namespace="shop"), spec=spec, status=status))
    assert world.handout("n1-node")["workload/shop/client"] == Workload("shop", "client", ("10.1.1.50",))
    assert "workload/shop/client" not in world.handout("n2-node")
    assert world.agents.count == before + 1


def test_a_policy_that_is_malformed_when_the_controller_starts_has_its_last_good_state(world: World) -> None:
    world.local("10.1.1.11")
    meta = ObjectMeta(name="web", namespace="shop", generation=1)
    world.cluster.put(TrafficPolicy(metadata=meta, spec=TrafficPolicySpec(threshold=50)))
    assert world.handout("node1")["import/shop/web"].policy == Policy(threshold=50)
    world.cluster.drop(("TrafficPolicy", "shop", "web"))
    world.cluster._objects.fault(("TrafficPolicy", "shop", "web"), WEB, 'field "spec.threshold": is 200', 2)
    world.loop = world.start()
    assert world.handout("node1")["import/shop/web"].policy == Policy(threshold=50)
    world.step()
    [said] = [one for one in world.cluster.wanted["shop/web"] if one.kind == "TrafficPolicy"]
    assert said.status is not None
    condition, *_ = said.status["conditions"]
    text = 'field "spec.threshold": is 200; the last good one stays in force'
    assert (condition["status"], condition["message"]) == ("False", text)
