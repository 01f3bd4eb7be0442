"""The loop over in-memory twins: what peers and agents are given, whatever the path that led there."""

import random
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec import structs

from federation.model.errors import InputError
from federation.model.handout import Candidate, Import, Offer, Peer, Pool, Site, Workload
from federation.model.names import ServiceKey
from federation.model.record import Endpoint, Export, Port, Resource, Slice
from federation.model.report import LinkReport, NodeReport
from federation.plan.guard import CONFIRMED_AFTER
from federation.ports import AgentState
from federation.reconcile.explain import Asked, explain
from federation.reconcile.status import status
from federation.wire.k8s.types import EndpointSlice, Service, ServiceExport
from tests.worlds.controller import EU, World
from tests.worlds.objects import endpoint_slice, export, service

WEB = ServiceKey("shop", "web")


def offered(ready: int, total: int, port: int = 80) -> tuple[Resource, ...]:
    states = ["ready"] * ready + ["unready"] * (total - ready)
    endpoints = tuple(Endpoint(f"10.2.1.{n}", state) for n, state in enumerate(states, 1))  # type: ignore[arg-type]
    return (
        Export(service=WEB, ports=(Port("http", port, "TCP", "http"),)),
        Slice(service=WEB, az="a", ports=(Port("http", 8080),), endpoints=endpoints),
    )


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_a_peers_export_becomes_an_import_for_nodes_and_dns(world: World) -> None:
    world.peer_says(*offered(1, 2))
    node, dns, gateway = world.handout("node1"), world.handout("dns1"), world.handout("gw1")
    made = node["import/shop/web"]
    assert isinstance(made, Import)
    assert made.addresses[0].startswith("10.101.")
    assert made.candidates == (Candidate(member=EU, region="eu-central", cost=1002, ready=1, total=2, ports=("http",)),)
    assert made.ports[0].app_protocol == "http"
    assert dns["import/shop/web"] == made
    assert "import/shop/web" not in gateway
    assert isinstance(node["site"], Site)
    assert isinstance(gateway["peer/eu-central"], Peer)
    assert node["workload/shop/client"] == Workload("shop", "client", ("10.1.2.10",))
    assert "workload/shop/client" not in gateway
    assert world.record().keys() == {"about"}


def test_an_own_export_is_recorded_offered_and_pooled(world: World) -> None:
    world.local("10.1.1.11", unready=("10.1.1.12",))
    assert set(world.record()) == {"about", "export/shop/web", "slice/shop/web/az-1/http.tcp.8080"}
    gateway = world.handout("gw1")
    assert isinstance(gateway["offer/shop/web"], Offer)
    pool = gateway["pool/shop/web/az-1/http.tcp.8080"]
    assert isinstance(pool, Pool)
    assert [(e.address, e.state) for e in pool.endpoints] == [("10.1.1.11", "ready"), ("10.1.1.12", "unready")]


def test_a_service_without_export_is_not_offered_and_not_a_candidate(world: World) -> None:
    world.cluster.put(service())
    world.cluster.put(endpoint_slice(("10.1.1.11",)))
    world.peer_says(*offered(1, 1))
    node = world.handout("node1")
    assert [c.member for c in node["import/shop/web"].candidates] == [EU]
    assert not any(key.startswith(("pool/", "offer/")) for key in node)


def test_the_last_export_gone_the_import_goes(world: World) -> None:
    world.peer_says(*offered(1, 1))
    world.handout("node1")
    world.peer_says()
    assert "import/shop/web" not in world.handout("node1")


def test_a_port_that_two_members_number_differently_is_the_earlier_admitted_ones(world: World) -> None:
    world.local("10.1.1.11")
    world.peer_says(*offered(1, 1, port=8080))
    made = world.handout("node1")["import/shop/web"]
    assert [(p.name, p.port) for p in made.ports] == [("http", 80)]
    assert {c.member: c.ports for c in made.candidates} == {"us-east": ("http",), EU: ()}
    assert status(world.loop)["services"][0]["notes"] == [
        "shop/web: PortConflict: Using the union of ports, on a clash those of the oldest export, in us-east. "
        "http 8080/TCP of eu-central is left out. 1/2 clusters disagree: eu-central."
    ]


def test_addresses_and_listeners_survive_a_restart(world: World) -> None:
    world.peer_says(*offered(1, 1))
    before = world.handout("node1")["import/shop/web"]
    world.loop = world.start()
    world.agents.given.clear()
    assert world.handout("node1")["import/shop/web"] == before


def test_nothing_is_said_while_our_own_cluster_is_unknown(world: World) -> None:
    world.cluster.certainty = "unknown"
    world.peer_says(*offered(1, 1))
    world.step()
    assert world.peers.published == []
    assert world.agents.given == {}


def test_a_gateway_that_is_away_stays_in_the_record_over_a_restart(world: World) -> None:
    said = NodeReport(
        node="gw1", role="gateway", wireguard_key=b"k" * 32, gateway_endpoint="192.0.2.1:51820", gateway_port=15443
    )
    world.agents.said["gw1"] = AgentState(connected=True, wanted=b"", node=said, links=(), refused="")
    world.loop.agent_reported("gw1")
    gateway = world.record()["gateway/1"]
    assert gateway.overlay == world.acme.member("us-east").overlay.replace("::/64", "::1")
    world.agents.said.clear()
    world.loop = world.start()
    assert world.record()["gateway/1"] == gateway


def test_a_measured_round_trip_becomes_the_cost(world: World) -> None:
    link = LinkReport(member=EU, gateway=1, handshake_age=1, rx=1, tx=1, rtt_us=90_400)
    world.agents.said["gw1"] = AgentState(connected=True, wanted=b"", node=None, links=(link,), refused="")
    world.peer_says(*offered(1, 1))
    world.loop.agent_reported("gw1")
    assert world.handout("node1")["import/shop/web"].candidates[0].cost == 90


def test_an_unchanged_world_gives_nobody_anything(world: World) -> None:
    world.peer_says(*offered(1, 1))
    world.step()
    revision, count = world.loop.out.revision, world.agents.count
    world.loop.wake(None)
    world.step()
    assert (world.loop.out.revision, world.agents.count) == (revision, count)


def test_the_guard_holds_a_sudden_emptiness_and_gives_in_when_it_stays(world: World) -> None:
    names = [f"s{n}" for n in range(6)]
    for name in names:
        world.cluster.put(service(name))
        world.cluster.put(export(name))
    assert len(world.record()) == 7
    for name in names:
        world.cluster.drop(("ServiceExport", "shop", name))
    assert len(world.record()) == 7
    assert status(world.loop)["held"][0] == (
        "6 of 6 exported services vanished at once (limit 30 %): held until this has been seen for 30 s"
    )
    world.clock.advance(CONFIRMED_AFTER)
    assert len(world.record()) == 1
    assert status(world.loop)["held"] == []


def test_the_guard_forgets_what_came_back(world: World) -> None:
    for name in ("a", "b", "c"):
        world.cluster.put(service(name))
        world.cluster.put(export(name))
    world.record()
    for name in ("a", "b", "c"):
        world.cluster.drop(("ServiceExport", "shop", name))
    world.record()
    for name in ("a", "b", "c"):
        world.cluster.put(export(name))
    assert len(world.record()) == 4
    assert status(world.loop)["held"] == []


def test_the_guard_counts_what_vanishes_one_after_another(world: World) -> None:
    """Each pass is under the limit, all together are not; whoever waits is obeyed 30 s after it vanished."""
    names = [f"s{n:02}" for n in range(40)]
    for name in names:
        world.cluster.put(service(name))
        world.cluster.put(export(name))
    assert len(world.record()) == 41
    world.clock.advance(60)
    left = []
    for name in names:
        world.cluster.drop(("ServiceExport", "shop", name))
        left.append(len(world.record()) - 1)
        world.clock.advance(0.5)
    assert left[:12] == list(range(39, 27, -1))
    assert set(left[12:]) == {28}
    assert status(world.loop)["held"][0] == (
        "40 of 40 exported services vanished within 30 s (limit 30 %): held until this has been seen for 30 s"
    )
    world.clock.advance(CONFIRMED_AFTER - 20)
    assert len(world.record()) - 1 == 28
    world.clock.advance(20)
    assert len(world.record()) - 1 == 0
    assert status(world.loop)["held"] == []


def test_the_guard_lets_a_few_go_one_after_another(world: World) -> None:
    for name in "abcdef":
        world.cluster.put(service(name))
        world.cluster.put(export(name))
    world.record()
    world.clock.advance(60)
    for count, name in enumerate("abcde"):
        world.cluster.drop(("ServiceExport", "shop", name))
        assert len(world.record()) == 6 - count
        world.clock.advance(1)


def test_the_guard_lets_come_and_go_what_never_stood_for_long(world: World) -> None:
    """As a suite of tests or a pipeline does, service after service."""
    for number in range(40):
        world.cluster.put(service(f"s{number}"))
        world.cluster.put(export(f"s{number}"))
        assert len(world.record()) == 2
        world.cluster.drop(("ServiceExport", "shop", f"s{number}"))
        assert len(world.record()) == 1


def test_the_guard_does_not_count_what_is_back(world: World) -> None:
    names = [f"s{n:02}" for n in range(20)]
    for name in names:
        world.cluster.put(service(name))
        world.cluster.put(export(name))
    world.record()
    world.clock.advance(60)
    for name in names:
        world.cluster.drop(("ServiceExport", "shop", name))
        assert len(world.record()) == 20
        world.cluster.put(export(name))
        assert len(world.record()) == 21


def test_a_restart_into_a_sudden_emptiness_says_nothing_until_it_is_confirmed(world: World) -> None:
    for name in "abcd":
        world.cluster.put(service(name))
        world.cluster.put(export(name))
    world.step()
    for name in "abcd":
        world.cluster.drop(("ServiceExport", "shop", name))
    world.peers.published.clear()
    world.agents.given.clear()
    world.loop = world.start()
    world.step()
    assert world.peers.published == []
    assert world.agents.given == {}
    assert status(world.loop)["held"][0].startswith("4 of 4 exported services vanished at once")
    world.clock.advance(CONFIRMED_AFTER)
    assert world.record().keys() == {"about"}


def test_a_restart_into_what_stood_before_is_not_held(world: World) -> None:
    for name in "abcd":
        world.cluster.put(service(name))
        world.cluster.put(export(name))
    before = world.record()
    world.loop = world.start()
    assert world.record() == before
    assert status(world.loop)["held"] == []


def test_a_service_that_cannot_be_planned_holds_up_no_other(world: World) -> None:
    narrow = structs.replace(world.folder.own(), listeners=(20_000, 20_002))
    world.folder.member.write_bytes(msgspec.json.encode(narrow))
    world.loop = world.start()
    world.local("10.1.1.11")
    world.peer_says(Export(service=ServiceKey("shop", "flood"), ports=tuple(Port(f"p{n}", n) for n in range(1, 9))))
    assert "export/shop/web" in world.record()
    [line] = status(world.loop)["unplanned"]
    assert line.startswith('shop/flood: E118 no place left for "shop/flood/p')
    assert line.endswith('": all 3 are taken; give a larger range')
    world.peer_says(Export(service=ServiceKey("shop", "flood"), ports=(Port("p1", 1),)))
    world.step()
    assert status(world.loop)["unplanned"] == []


def test_an_enrolment_that_cannot_be_forgotten_now_is_forgotten_later(world: World) -> None:
    world.step()
    (world.folder.agents / "gw1.json").unlink()
    world.store._fail_at = world.store._writes + 1
    world.step()
    assert world.loop.problem == "E190 store: told to fail"
    world.step()
    assert world.loop.problem == ""
    assert "gw1" not in world.loop.programs.enrolments


def test_unready_endpoints_are_never_held(world: World) -> None:
    for name in ("a", "b", "c"):
        world.cluster.put(service(name))
        world.cluster.put(export(name))
        world.cluster.put(endpoint_slice(("10.1.1.11",), name=name))
    world.record()
    for name in ("a", "b", "c"):
        world.cluster.put(endpoint_slice((), ("10.1.1.11",), name=name))
    slices = [item for item in world.record().values() if isinstance(item, Slice)]
    assert [part.count("ready") for part in slices] == [0, 0, 0]


def test_a_store_that_fails_once_is_tried_again(world: World) -> None:
    world.store._fail_at = world.store._writes + 1
    world.peer_says(*offered(1, 1))
    world.step()
    assert world.loop.problem == "E190 store: told to fail"
    assert "import/shop/web" in world.handout("node1")
    assert world.loop.problem == ""


def test_nothing_is_published_before_it_is_durable(world: World) -> None:
    world.store.unconfirmed = True
    world.peer_says(*offered(1, 1))
    world.step()
    assert world.loop.problem == "E190 store: told not to confirm"
    assert world.peers.published == [] and world.agents.given == {}
    world.store.unconfirmed = False
    assert "import/shop/web" in world.handout("node1")
    assert world.loop.problem == "" and len(world.peers.published) == 1


def test_explain_names_inputs_rules_and_shares(world: World) -> None:
    world.local("10.1.1.11", unready=("10.1.1.12",))
    world.peer_says(*offered(1, 1))
    world.step()
    answer = explain(world.loop, Asked(WEB, "us-east"))
    assert answer["rules"] == [
        "us-east: 1 of 2 ready, cost 0, room for 70 %",
        "eu-central: 1 of 1 ready, cost 1002, room for 100 %",
        "us-east takes 70 % (local first)",
        "eu-central takes 30 % (next by cost)",
    ]
    assert [(s["member"], s["percent"]) for s in answer["shares"]] == [("us-east", "70 %"), ("eu-central", "30 %")]


WRONG = {
    ("shop/none", "us-east"): 'E104 service "shop/none" is not imported here: no member exports it',
    ("shop/web", "mars"): 'E104 --from "mars": no such member; known: us-east, eu-central',
    ("shop/web", "eu-central"): (
        'E104 --from "eu-central": this controller answers for "us-east"; ask the one of "eu-central"'
    ),
}


@pytest.mark.parametrize("asked", WRONG)
def test_explain_of_what_is_not_there_says_what_is(world: World, asked: tuple[str, str]) -> None:
    namespace, name = asked[0].split("/")
    world.step()
    with pytest.raises(InputError) as caught:
        explain(world.loop, Asked(ServiceKey(namespace, name), asked[1]))
    assert str(caught.value) == WRONG[asked]


@pytest.mark.parametrize("seed", range(15))
def test_the_path_does_not_matter(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    walked, direct = World(tmp_path / "a"), World(tmp_path / "b")
    objects: list[Service | ServiceExport | EndpointSlice] = [
        *(service(name) for name in "abcd"),
        *(export(name) for name in "abcd"),
        *(endpoint_slice((f"10.1.1.{n}",), name=name) for n, name in enumerate("abcd", 11)),
    ]
    standing: dict[tuple[str, str], Any] = {}
    for _ in range(60):
        value = chance.choice(objects)
        key = (value.kind, value.metadata.name)
        if key in standing and chance.random() < 0.4:
            walked.cluster.drop((value.kind, "shop", value.metadata.name))
            del standing[key]
        else:
            walked.cluster.put(value)
            standing[key] = value
        if chance.random() < 0.3:
            walked.step()
            walked.clock.advance(CONFIRMED_AFTER)
    for value in standing.values():
        direct.cluster.put(value)
    walked.loop.wake(None)
    walked.step()
    walked.clock.advance(CONFIRMED_AFTER)
    assert walked.record() == direct.record()
    assert walked.handout("gw1").keys() == direct.handout("gw1").keys()
