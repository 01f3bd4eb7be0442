"""Policies and public names on their way through the loop: what is accepted, refused, remembered and explained."""

from pathlib import Path

import pytest
from msgspec import structs

from federation.config import Enrolment
from federation.model.errors import InputError
from federation.model.handout import Place, Role, Steered, Witness
from federation.model.names import MemberName, ServiceKey
from federation.model.policy import Policy, Ramp
from federation.model.public import GlobalName
from federation.model.record import Distance, Endpoint, Evidence, Export, Port, PublicName, Resource, Slice
from federation.model.report import EndpointReport, LinkReport, NodeReport, TargetReport
from federation.plan.guard import CONFIRMED_AFTER
from federation.ports import AgentState
from federation.reconcile.explain import Asked, explain
from federation.reconcile.status import status
from federation.wire.k8s import types as k8s
from federation.wire.k8s.types import GlobalNameSpec, ObjectMeta, ReturnSpec, TrafficPolicySpec
from tests.worlds.controller import EU, World
from tests.worlds.objects import service

WEB = ServiceKey("shop", "web")
HOST = "shop.example.test"
ALL = ("10.1.1.11", "10.1.1.12")


def policy(**spec: object) -> k8s.TrafficPolicy:
    return k8s.TrafficPolicy(metadata=ObjectMeta(name="web", namespace="shop"), spec=TrafficPolicySpec(**spec))  # type: ignore[arg-type]


def name(host: str = HOST, label: str = "shop", **spec: object) -> k8s.GlobalName:
    made = GlobalNameSpec(host=host, service="web", **spec)  # type: ignore[arg-type]
    return k8s.GlobalName(metadata=ObjectMeta(name=label, namespace="shop"), spec=made)


def peers_web() -> tuple[Resource, ...]:
    endpoints = tuple(Endpoint(f"10.2.1.{n}") for n in (11, 12))
    part = Slice(service=WEB, az="a", ports=(Port("http", 8080),), endpoints=endpoints)
    return (Export(service=WEB, ports=(Port("http", 80, "TCP", "http"),)), part)


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path)
    for member, address in (("us-east", "198.51.100.1"), ("eu-central", "198.51.100.2")):
        made.grant(member, dns_zones=("example.test",), ingress=(address,), nameservers=(address,))
    made.local(*ALL)
    made.peer_says(*peers_web())
    return made


def notes(world: World) -> list[str]:
    world.step()
    return next(row["notes"] for row in status(world.loop)["services"] if row["service"] == "shop/web")


def test_a_policy_reaches_nodes_and_an_unknown_region_keeps_the_last_good_even_over_a_restart(world: World) -> None:
    world.cluster.put(policy(order=["eu-central"], threshold=50, ramp=ReturnSpec(20, 5)))
    good = Policy(order=("eu-central",), threshold=50, ramp=Ramp(20, 5))
    assert world.handout("node1")["import/shop/web"].policy == good
    world.cluster.put(policy(order=["eu-centrall"]))
    assert world.handout("node1")["import/shop/web"].policy == good
    told = (
        'TrafficPolicy shop/web: field "spec.order": no member is in region "eu-centrall"; known: eu-central, us-east '
        '(did you mean "eu-central"?); the last good policy stays in force'
    )
    assert notes(world) == [told]
    world.loop = world.start()
    world.peer_says(*peers_web())
    assert world.handout("node1")["import/shop/web"].policy == good
    world.cluster.drop(("TrafficPolicy", "shop", "web"))
    assert world.handout("node1")["import/shop/web"].policy == Policy()
    assert notes(world) == []


def test_a_name_is_recorded_and_reaches_dns_with_its_targets_and_places(world: World) -> None:
    world.cluster.put(name(ttl=5))
    dns = world.handout("dns1")
    item = dns[f"steered/{HOST}/shop/web"]
    assert isinstance(item, Steered)
    assert (item.zone, item.owner, item.name.ttl) == ("example.test", "us-east", 5)
    assert [(t.candidate.member, t.candidate.ready, t.addresses) for t in item.targets] == [
        ("eu-central", 2, ("198.51.100.2",)),
        ("us-east", 2, ("198.51.100.1",)),
    ]
    assert isinstance(world.record()[f"name/{HOST}"], PublicName)
    assert isinstance(dns["place/eu-central"], Place)
    assert dns["place/us-east"].zones == ("example.test",)
    assert f"steered/{HOST}/shop/web" not in world.handout("node1")


def test_other_costs_are_those_of_a_place_and_of_no_name(world: World) -> None:
    world.cluster.put(name())
    before = world.handout("dns1")
    link = LinkReport(member=EU, gateway=1, handshake_age=1, rx=1, tx=1, rtt_us=90_400)
    world.agents.said["gw1"] = AgentState(connected=True, wanted=b"", node=None, links=(link,), refused="")
    world.loop.agent_reported("gw1")
    now = world.handout("dns1")
    assert {key for key in now if now[key] != before[key]} == {"place/us-east", "import/shop/web"}
    place = now["place/us-east"]
    assert isinstance(place, Place) and place.costs == {EU: 90}
    told = explain(world.loop, Asked(HOST, MemberName("us-east")))
    assert [(one["member"], one["cost"]) for one in told["inputs"]] == [("eu-central", 90), ("us-east", 0)]


def test_a_name_outside_its_zone_is_refused_and_its_last_good_stays(world: World) -> None:
    world.cluster.put(name("shop.example.org"))
    assert notes(world) == [
        'GlobalName shop/shop: field "spec.host": "shop.example.org" lies in no zone granted to this member '
        "(granted: example.test); it is not served"
    ]
    world.cluster.put(name())
    assert notes(world) == []
    world.cluster.put(name("shop.example.org"))
    assert notes(world)[0].endswith("the last good one stays in force")
    assert f"steered/{HOST}/shop/web" in world.handout("dns1")
    world.cluster.put(name(policy="weighted", weights={"mars": 1}))
    assert notes(world) == [
        'GlobalName shop/shop: field "spec.weights": no member is in region "mars"; known: eu-central, us-east; '
        "the last good one stays in force"
    ]
    world.cluster.drop(("GlobalName", "shop", "shop"))
    assert f"steered/{HOST}/shop/web" not in world.handout("dns1")


def test_the_earliest_admitted_definition_of_a_host_wins_and_the_other_waits(world: World) -> None:
    theirs = PublicName(GlobalName(host=HOST, service=WEB, ttl=77))
    world.peer_says(*peers_web(), theirs)
    assert world.handout("dns1")[f"steered/{HOST}/shop/web"].owner == EU
    world.cluster.put(name())
    assert world.handout("dns1")[f"steered/{HOST}/shop/web"].owner == "us-east"
    other = structs.replace(name(label="twin"), spec=GlobalNameSpec(host=HOST, service="api"))
    world.cluster.put(other)
    world.step()
    assert world.handout("dns1")[f"steered/{HOST}/shop/api"].name.service.name == "api"
    assert notes(world) == [f'name "{HOST}" is defined by member "us-east" for shop/api already; ours waits']
    world.cluster.drop(("GlobalName", "shop", "twin"))
    world.cluster.drop(("GlobalName", "shop", "shop"))
    assert world.handout("dns1")[f"steered/{HOST}/shop/web"].name.ttl == 77
    world.peer_says(*peers_web())
    assert f"steered/{HOST}/shop/web" not in world.handout("dns1")


def test_a_return_is_an_age_in_the_handout_and_survives_a_restart(world: World) -> None:
    world.cluster.put(policy(ramp=ReturnSpec(10, 1)))
    world.local(ALL[0], unready=(ALL[1],))
    world.handout("node1")
    world.clock.advance(3)
    world.local(*ALL)
    came = world.handout("node1")["import/shop/web"].candidates[0]
    assert (came.ready, came.floor, came.since) == (2, 500_000, int(world.clock.wall() * 1_000))
    world.clock.advance(1)
    world.loop = world.start()
    world.peer_says(*peers_web())
    assert world.handout("node1")["import/shop/web"].candidates[0] == came
    shares = {row["member"]: row["percent"] for row in explain(world.loop, Asked(WEB, "us-east"))["shares"]}
    assert shares == {"us-east": "80 %", "eu-central": "20 %"}


def report(world: World, up: bool, since: int = 5_000) -> None:
    link = LinkReport(member=EU, gateway=1, handshake_age=1, rx=0, tx=0, rtt_us=90_200, up=up, since=since)
    down = (TargetReport(EU, HOST, 7),)
    gateway = NodeReport(node="gw1", role="gateway")
    world.agents.said["gw1"] = AgentState(connected=True, wanted=b"", node=gateway, links=(link,), refused="")
    server = NodeReport(node="dns1", role="dns")
    world.agents.said["dns1"] = AgentState(
        connected=True, wanted=b"", node=server, links=(), refused="", targets=() if up else down
    )
    world.loop.agent_reported("gw1")


def test_what_is_down_stands_in_the_record_as_long_as_it_is_and_in_explain(world: World) -> None:
    world.cluster.put(name())
    report(world, up=True)
    assert world.record()["distance/eu-central"] == Distance(EU, 90)
    report(world, up=False)
    record = world.record()
    assert record["evidence/link/eu-central"] == Evidence(kind="link", about=EU, since=5)
    assert record[f"evidence/target/eu-central/{HOST}"] == Evidence(kind="target", about=EU, since=7, host=HOST)
    told = explain(world.loop, Asked(WEB, "us-east"))
    assert [(row["member"], row["up"]) for row in told["inputs"]] == [("us-east", True), ("eu-central", False)]
    told = explain(world.loop, Asked(HOST, "eu-central"))
    assert [row["member"] for row in told["shares"]] == ["us-east"]
    own = {key: value for key, value in world.handout("dns1").items() if key.startswith("witness/us-east/")}
    assert own == {
        "witness/us-east/link/eu-central": Witness(MemberName("us-east"), record["evidence/link/eu-central"])
    }
    report(world, up=True)
    assert not [key for key in world.record() if key.startswith("evidence/")]
    assert not [key for key in world.handout("dns1") if key.startswith("witness/us-east/")]


def test_a_peers_evidence_on_targets_reaches_dns_as_that_of_a_witness(world: World) -> None:
    own = world.loop.parts.own.name
    said = Evidence(kind="target", about=own, since=9, host=HOST)
    nobody = Evidence(kind="target", about=MemberName("mars"), since=9, host=HOST)
    elsewhere = Evidence(kind="target", about=own, since=9, host="pay.example.test")
    world.peer_says(*peers_web(), said, nobody, elsewhere, Evidence(kind="link", about=own, since=9))
    assert not [key for key in world.handout("dns1") if key.startswith("witness/")]
    world.cluster.put(name())
    dns = world.handout("dns1")
    assert dns[f"witness/eu-central/target/us-east/{HOST}"] == Witness(EU, said)
    assert len([key for key in dns if key.startswith("witness/")]) == 1


def test_yesterday_is_explained_from_the_journal(world: World) -> None:
    world.cluster.put(name())
    report(world, up=True)
    world.handout("node1")
    before = int(world.clock.wall() * 1_000)
    world.clock.advance(86_400)
    world.local(ALL[0], unready=(ALL[1],))
    report(world, up=False)
    world.handout("node1")
    now = [row["percent"] for row in explain(world.loop, Asked(WEB, "us-east"))["shares"]]
    then = [row["percent"] for row in explain(world.loop, Asked(WEB, "us-east", before))["shares"]]
    assert (now, then) == (["100 %"], ["100 %"])
    assert explain(world.loop, Asked(WEB, "us-east"))["inputs"][0]["ready"] == 1
    assert explain(world.loop, Asked(WEB, "us-east", before))["inputs"][0]["ready"] == 2
    assert [row["member"] for row in explain(world.loop, Asked(HOST, "eu-central", before))["shares"]] == ["eu-central"]
    with pytest.raises(InputError) as caught:
        explain(world.loop, Asked(WEB, "us-east", before - 1_000_000))
    assert str(caught.value) == (
        'E104 service "shop/web" is not imported here at that time, or the journal does not reach back so far: '
        "no member exports it"
    )


def test_a_name_that_is_not_served_says_which_are(world: World) -> None:
    world.cluster.put(name())
    world.step()
    with pytest.raises(InputError) as caught:
        explain(world.loop, Asked("pay.example.test", "us-east"))
    assert str(caught.value) == f'E104 name "pay.example.test" is not served; names served now: {HOST}'


def test_an_endpoint_that_most_of_our_agents_find_failing_is_unready_for_everyone(world: World) -> None:
    def ready() -> int:
        return int(world.handout("node1")["import/shop/web"].candidates[0].ready)

    def say(*agents: str) -> None:
        failing = (EndpointReport(WEB, ALL[0], 7),)
        for label in ("gw1", "node1", "node2"):
            node = NodeReport(node=label, role="node")
            said = failing if label in agents else ()
            world.agents.said[label] = AgentState(
                connected=True, wanted=b"", node=node, links=(), refused="", failing=said
            )
        world.loop.agent_reported("gw1")

    say("gw1")
    assert ready() == 2
    say("gw1", "node1")
    assert ready() == 1
    assert world.record()["slice/shop/web/az-1/http.tcp.8080"].count("ready") == 1
    say("node2")
    assert ready() == 2


def test_a_program_that_does_not_probe_has_no_vote_on_endpoints(world: World) -> None:
    failing = (EndpointReport(WEB, ALL[0], 7),)
    roles: tuple[Role, ...] = ("node", "dns", "xds")
    for role in roles:
        said = failing if role == "node" else ()
        world.agents.said[role] = AgentState(
            connected=True, wanted=b"", node=NodeReport(node=role, role=role), links=(), refused="", failing=said
        )
    world.loop.agent_reported("node")
    assert int(world.handout("node1")["import/shop/web"].candidates[0].ready) == 1


def test_a_central_xds_port_is_told_what_sidecars_need_and_no_more(world: World) -> None:
    world.folder.enrol(Enrolment(name="x1", role="xds"))
    told = world.handout("x1")
    assert {key.partition("/")[0] for key in told} == {"site", "peer", "pool", "import"}


def test_names_that_vanish_all_at_once_are_held_and_nobody_takes_them_over(world: World) -> None:
    hosts = [f"s{number}.example.test" for number in range(4)]
    for number, host in enumerate(hosts):
        world.cluster.put(service(f"s{number}"))
        spec = GlobalNameSpec(host=host, service=f"s{number}")
        world.cluster.put(k8s.GlobalName(metadata=ObjectMeta(name=f"n{number}", namespace="shop"), spec=spec))
    rivals = [PublicName(GlobalName(host=host, service=WEB)) for host in hosts]
    world.peer_says(*peers_web(), *rivals)
    keys = [f"steered/{host}/shop/s{number}" for number, host in enumerate(hosts)]
    assert set(keys) <= world.handout("dns1").keys()
    for number in range(4):
        world.cluster.drop(("GlobalName", "shop", f"n{number}"))
    for _ in range(3):
        dns = world.handout("dns1")
        assert [dns[key].owner for key in keys] == ["us-east"] * 4
        world.clock.advance(5)
    world.clock.advance(CONFIRMED_AFTER)
    world.handout("dns1")
    dns = world.handout("dns1")
    assert [dns[f"steered/{host}/shop/web"].owner for host in hosts] == ["eu-central"] * 4
