"""What our own cluster is asked to hold, from the loop over twins."""

from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from federation.adapters.memory import MemoryCluster
from federation.model.moves import Leaving
from federation.model.names import MemberName, ServiceKey
from federation.model.record import About, Endpoint, Export, Port, Slice, Traits
from federation.model.report import NodeReport
from federation.plan.steering import Kept
from federation.ports import AgentState, Wanted
from federation.wire.k8s.naming import derived_name
from federation.wire.k8s.types import Drain, DrainSpec, ObjectMeta, Service, ServiceSpec
from tests.worlds.controller import EU, World
from tests.worlds.objects import endpoint_slice, export, service

WEB = ServiceKey("shop", "web")
DERIVED = derived_name(WEB)
PORTS = (Port("http", 80, "TCP", "http"),)


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path)
    world.cluster = MemoryCluster(native=True)
    world.loop = world.start()
    return world


def wanted(world: World, owner: str = "shop/web") -> dict[tuple[str, str], Wanted]:
    world.step()
    return {(one.kind, one.name): one for one in world.cluster.wanted.get(owner, ())}


def given(*addresses: str) -> Service:
    """The derived Service as the API server made it."""
    labels = {"app.kubernetes.io/managed-by": "isthmus", "multicluster.kubernetes.io/service-name": "web"}
    meta = ObjectMeta(name=DERIVED, namespace="shop", labels=labels)
    return Service(metadata=meta, spec=ServiceSpec(cluster_ip=addresses[0], cluster_ips=list(addresses)))


def conditions(one: Wanted) -> dict[str, tuple[str, str]]:
    assert one.status is not None
    return {found["type"]: (found["status"], found["reason"]) for found in one.status["conditions"]}


def test_a_peers_export_stands_here_as_an_import_with_the_address_that_the_cluster_gives(world: World) -> None:
    endpoints = (Endpoint("10.2.1.1"), Endpoint("10.2.1.2", "unready", "db-0"), Endpoint("fd00:2::1", "draining"))
    traits = Traits(session_affinity="ClientIP", affinity_seconds=30, families=("IPv4",), labels={"tier": "front"})
    world.peer_says(
        Export(service=WEB, ports=PORTS, traits=traits),
        Slice(service=WEB, az="a", ports=(Port("http", 8080), Port("admin", 9)), endpoints=endpoints),
    )
    found = wanted(world)
    made, derived = found[("ServiceImport", "web")], found[("Service", DERIVED)]
    assert made.body is not None and made.body["spec"]["ips"] == []
    assert conditions(made) == {"Ready": ("False", "Pending")}
    assert world.handout("dns1")["import/shop/web"].addresses == ()
    world.cluster.put(given("10.96.0.7"))
    made = wanted(world)[("ServiceImport", "web")]
    assert made.body == {
        "metadata": {"labels": {"tier": "front", "app.kubernetes.io/managed-by": "isthmus"}},
        "spec": {
            "type": "ClusterSetIP",
            "ports": [{"name": "http", "port": 80, "protocol": "TCP", "appProtocol": "http"}],
            "ips": ["10.96.0.7"],
            "ipFamilies": ["IPv4"],
            "sessionAffinity": "ClientIP",
            "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 30}},
            "internalTrafficPolicy": "Cluster",
        },
    }
    assert made.status is not None and made.status["clusters"] == [{"cluster": "eu-central"}]
    assert conditions(made) == {"Ready": ("True", "Ready")}
    listener = world.handout("node1")["import/shop/web"].ports[0].listener
    assert derived.body == {
        "metadata": {
            "labels": {"app.kubernetes.io/managed-by": "isthmus", "multicluster.kubernetes.io/service-name": "web"}
        },
        "spec": {
            "type": "ClusterIP",
            "ports": [{"name": "http", "port": 80, "protocol": "TCP", "appProtocol": "http", "targetPort": listener}],
            "internalTrafficPolicy": "Local",
            "ipFamilyPolicy": "SingleStack",
        },
    }
    slices = [one.body for (kind, _), one in found.items() if kind == "EndpointSlice"]
    assert [(body["addressType"], body["endpoints"]) for body in slices if body] == [
        (
            "IPv4",
            [
                {
                    "addresses": ["10.2.1.1"],
                    "conditions": {"ready": True, "serving": True, "terminating": False},
                    "zone": "a",
                },
                {
                    "addresses": ["10.2.1.2"],
                    "conditions": {"ready": False, "serving": False, "terminating": False},
                    "hostname": "db-0",
                    "zone": "a",
                },
            ],
        ),
        (
            "IPv6",
            [
                {
                    "addresses": ["fd00:2::1"],
                    "conditions": {"ready": False, "serving": True, "terminating": True},
                    "zone": "a",
                }
            ],
        ),
    ]
    assert slices[0] is not None
    assert slices[0]["ports"] == [{"name": "http", "port": 8080, "protocol": "TCP"}]
    assert slices[0]["metadata"]["labels"] == {
        "app.kubernetes.io/managed-by": "isthmus",
        "endpointslice.kubernetes.io/managed-by": "isthmus.dev",
        "multicluster.kubernetes.io/service-name": "web",
        "multicluster.kubernetes.io/source-cluster": "eu-central",
    }
    world.peer_says()
    assert wanted(world) == {}


def test_an_address_that_was_given_is_asked_for_again(world: World) -> None:
    """Somebody deletes the derived Service, over a restart of the controller."""
    world.local("10.1.1.11")
    world.step()
    world.cluster.put(given("10.96.0.7", "fd00::7"))
    assert "clusterIP" not in spec(wanted(world)[("Service", DERIVED)])
    world.loop = world.start()
    world.cluster.drop(("Service", "shop", DERIVED))
    asked = spec(wanted(world)[("Service", DERIVED)])
    assert (asked["clusterIP"], asked["clusterIPs"]) == ("10.96.0.7", ["10.96.0.7", "fd00::7"])


def unexport(world: World) -> None:
    """As the writer then does, the derived Service goes too."""
    world.cluster.drop(("ServiceExport", "shop", "web"))
    world.step()
    world.clock.advance(31)
    world.step()
    world.cluster.drop(("Service", "shop", DERIVED))
    world.step()


@pytest.mark.parametrize(("hours", "again"), [(0, True), (23, True), (25, False)])
@pytest.mark.parametrize("restart", [False, True])
def test_an_export_that_comes_back_within_a_day_has_its_address_again(
    world: World, hours: int, again: bool, restart: bool
) -> None:
    world.local("10.1.1.11")
    world.step()
    world.cluster.put(given("10.96.0.7"))
    world.step()
    unexport(world)
    assert WEB not in world.loop.desired.plans or not world.loop.desired.plans[WEB].handout
    if restart:
        world.loop = world.start()
        world.step()
    world.clock.advance(hours * 3_600)
    world.cluster.put(export())
    assert spec(wanted(world)[("Service", DERIVED)]).get("clusterIP") == ("10.96.0.7" if again else None)


def test_what_nobody_exports_any_more_is_forgotten_after_a_day(world: World) -> None:
    world.peer_says(Export(service=WEB, ports=PORTS))
    world.step()
    world.cluster.put(given("10.96.0.7"))
    world.step()
    world.peer_says()
    world.step()
    world.cluster.drop(("Service", "shop", DERIVED))
    world.step()
    assert list(world.store.items("steering/")) == ["steering/shop/web"]
    assert WEB not in world.loop.desired.plans
    for hours, kept in ((23, 1), (2, 0)):
        world.clock.advance(hours * 3_600)
        world.loop.wake(None)
        world.step()
        assert len(world.store.items("steering/")) == kept
    assert world.loop.memory.of(WEB) == Kept()


def spec(one: Wanted) -> dict[str, Any]:
    assert one.body is not None
    found: dict[str, Any] = one.body["spec"]
    return found


def test_a_headless_import_has_no_address_and_no_derived_service(world: World) -> None:
    world.peer_says(Export(service=WEB, kind="Headless", ports=PORTS, traits=Traits(families=("IPv6", "IPv4"))))
    found = wanted(world)
    assert found.keys() == {("ServiceImport", "web")}
    assert (spec(found[("ServiceImport", "web")])["ips"], spec(found[("ServiceImport", "web")])["ipFamilies"]) == (
        [],
        ["IPv6", "IPv4"],
    )
    assert conditions(found[("ServiceImport", "web")]) == {"Ready": ("True", "Ready")}


def test_the_derived_service_leads_to_node_agents_that_are_away_as_well(world: World) -> None:
    world.local("10.1.1.11")
    world.agents.said = {"node1": agent(NodeReport(node="node1", role="node", address="192.0.2.11"))}
    world.loop.agent_reported("node1")
    world.agents.said = {}
    world.loop = world.start()
    world.agents.said = {"node1": agent(NodeReport(node="node1", role="node", address="192.0.2.11"))}
    world.loop.agent_reported("node1")
    world.step()
    world.agents.said = {}
    world.loop = world.start()
    [listening] = [
        one.body
        for one in wanted(world).values()
        if one.body and one.kind == "EndpointSlice" and "kubernetes.io/service-name" in one.body["metadata"]["labels"]
    ]
    assert listening["metadata"]["labels"]["kubernetes.io/service-name"] == DERIVED
    assert [(e["addresses"], e["nodeName"]) for e in listening["endpoints"]] == [(["192.0.2.11"], "node1")]


def agent(node: NodeReport) -> AgentState:
    return AgentState(connected=True, wanted=b"", node=node, links=(), refused="")


EXPORTS: dict[str, tuple[list[Any], dict[str, tuple[str, str]]]] = {
    "valid": (
        [service(), export()],
        {"Valid": ("True", "Valid"), "Ready": ("True", "Exported"), "Conflict": ("False", "NoConflicts")},
    ),
    "no service": ([export()], {"Valid": ("False", "NoService"), "Ready": ("False", "Failed")}),
    "external name": (
        [structs.replace(service(), spec=ServiceSpec(type="ExternalName", external_name="example.com")), export()],
        {"Valid": ("False", "InvalidServiceType"), "Ready": ("False", "Failed")},
    ),
}


@pytest.mark.parametrize("case", EXPORTS)
def test_an_export_says_what_came_of_it(world: World, case: str) -> None:
    objects, said = EXPORTS[case]
    for value in objects:
        world.cluster.put(value)
    wanted(world)
    assert conditions(wanted(world)[("ServiceExport", "web")]) == said


def test_a_conflict_is_said_to_us_whether_we_are_the_oldest_or_not(world: World) -> None:
    world.cluster.put(service())
    world.cluster.put(export())
    world.step()
    world.peer_says(Export(service=WEB, kind="Headless", ports=PORTS, traits=Traits(labels={"a": "b"})))
    assert conditions(wanted(world)[("ServiceExport", "web")])["Conflict"] == ("True", "TypeConflict,LabelsConflict")


def test_an_export_from_a_namespace_that_is_not_granted_says_so(world: World) -> None:
    world.grant("us-east", namespaces=("other",))
    world.local("10.1.1.11")
    assert conditions(wanted(world)[("ServiceExport", "web")])["Ready"] == ("False", "Failed")


def test_members_and_the_name_of_the_set_stand_in_the_cluster(world: World) -> None:
    world.local("10.1.1.11")
    world.step()
    found = wanted(world, "federation")
    assert world.cluster.completed
    assert found[("ClusterProperty", "cluster.clusterset.k8s.io")].body is not None
    assert spec(found[("ClusterProperty", "clusterset.k8s.io")]) == {"value": "acme.mesh"}
    ours = found[("MemberCluster", "us-east")].status
    assert ours is not None and (ours["connected"], ours["exports"], ours["number"]) == (True, 1, 1)
    assert conditions(found[("MemberCluster", "eu-central")])["Reachable"] == ("True", "Connected")


def test_the_number_of_exports_is_written_once_in_ten_seconds(world: World) -> None:
    said: list[int] = []
    for second in range(40):
        world.peer_says(*(Export(service=ServiceKey("shop", f"s{n}"), ports=PORTS) for n in range(min(second, 25) + 1)))
        status = wanted(world, "federation")[("MemberCluster", EU)].status
        assert status is not None
        said += [status["exports"]] if said[-1:] != [status["exports"]] else []
        world.clock.advance(1)
    assert said == [1, 11, 21, 26]


def test_who_left_leaves_nothing_in_the_cluster_but_what_its_exports_say(world: World) -> None:
    world.local("10.1.1.1")
    assert conditions(wanted(world)[("ServiceExport", "web")])["Ready"] == ("True", "Exported")
    world.grant("us-east", state="left")
    world.loop.peer_changed(EU, None)
    found = wanted(world)
    assert set(world.cluster.wanted) == {"shop/web"}
    assert set(found) == {("ServiceExport", "web")}
    (said,) = found.values()
    assert conditions(said) == {"Valid": ("True", "Valid"), "Ready": ("False", "Failed")}
    assert said.status is not None
    assert said.status["conditions"][1]["message"] == "This cluster is no member of the federation any more."


def drain(name: str, member: str = "") -> Drain:
    return Drain(metadata=ObjectMeta(name=name, generation=4), spec=DrainSpec(member=member))


def test_a_drain_of_ourselves_is_said_to_all_and_of_another_stays_here(world: World) -> None:
    world.local("10.1.1.11")
    world.peer_says(Export(service=WEB, ports=PORTS))
    world.cluster.put(drain("maintenance"))
    assert world.record()["about"] == About(MemberName("us-east"), "us-east", "0.1.0", Leaving(1_000_000_000))
    assert {c.member: c.leaving is not None for c in world.handout("node1")["import/shop/web"].candidates} == {
        "us-east": True,
        EU: False,
    }
    world.cluster.drop(("Drain", "", "maintenance"))
    world.cluster.put(drain("far", EU))
    world.cluster.put(drain("typo", "eu-centrall"))
    assert not world.record()["about"].leaving
    assert {c.member: c.leaving is not None for c in world.handout("node1")["import/shop/web"].candidates}[EU]
    said = wanted(world, "federation")
    assert conditions(said[("Drain", "far")]) == {"Accepted": ("True", "Accepted")}
    assert said[("Drain", "typo")].status == {
        "conditions": [
            {
                "type": "Accepted",
                "status": "False",
                "reason": "Invalid",
                "message": 'field "spec.member": there is no member "eu-centrall"; known: eu-central, us-east',
                "observedGeneration": 4,
            }
        ]
    }


def test_a_member_that_drains_by_its_own_word_drains_here(world: World) -> None:
    world.peer_says(Export(service=WEB, ports=PORTS), About(EU, "eu-central", "1", Leaving(0)))
    assert world.handout("node1")["import/shop/web"].candidates[0].leaving


def test_what_is_imported_here_is_never_exported_or_taken_for_a_local_service(world: World) -> None:
    world.cluster.put(given("10.96.0.7"))
    world.cluster.put(export(DERIVED))
    mirrored = endpoint_slice(("10.2.1.1",))
    labels = mirrored.metadata.labels | {"endpointslice.kubernetes.io/managed-by": "isthmus.dev"}
    world.cluster.put(structs.replace(mirrored, metadata=structs.replace(mirrored.metadata, labels=labels)))
    assert set(world.record()) == {"about"}


def test_a_copy_of_the_derived_service_gives_no_address(world: World) -> None:
    world.peer_says(Export(service=WEB, ports=PORTS))
    world.cluster.put(given("10.96.0.7"))
    copy = given("10.96.0.9")
    copy = structs.replace(copy, metadata=structs.replace(copy.metadata, name="copied"))
    world.cluster.put(copy)
    made = wanted(world)[("ServiceImport", "web")]
    assert made.body is not None and made.body["spec"]["ips"] == ["10.96.0.7"]


def test_a_port_without_a_name_gets_one_that_no_other_port_has(world: World) -> None:
    world.peer_says(Export(service=WEB, ports=(Port("", 80), Port("tcp-80", 81), Port("tcp-80-2", 82))))
    derived = wanted(world)[("Service", DERIVED)]
    assert derived.body is not None
    assert [port["name"] for port in derived.body["spec"]["ports"]] == ["tcp-80-3", "tcp-80", "tcp-80-2"]
