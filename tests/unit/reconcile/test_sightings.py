"""Where a gateway hears another member's: from its report into our record, and from records into our gateways' handouts."""

from pathlib import Path

import pytest
from msgspec import structs

from federation.model.handout import PeerGateway
from federation.model.ledger import Member
from federation.model.names import MemberName
from federation.model.report import LinkReport, NodeReport
from federation.model.sighting import Sighted, Sighting
from federation.plan.mesh import sighted
from federation.ports import AgentState, PeerState
from tests.worlds.controller import EU, World

HEARD = "198.51.100.7:4000"
OWN = Member(
    name=MemberName("us-east"),
    number=1,
    region="us-east",
    anchor="",
    record_key=b"",
    overlay="fd00:1::/64",
    reachable=("10.1.0.0/16",),
    local=("10.244.0.0/16",),
)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def reports(world: World, heard: str, connected: bool = True) -> None:
    node = NodeReport(
        node="gw1",
        role="gateway",
        wireguard_key=b"k" * 32,
        gateway_endpoint="10.9.0.1:51820",
        gateway_port=15443,
        gateway_alternates=("192.0.2.1:51820",),
        gateway_relay=True,
    )
    link = LinkReport(member=EU, gateway=1, handshake_age=3, rx=1, tx=1, heard=heard)
    world.agents.said["gw1"] = AgentState(connected=connected, wanted=b"", node=node, links=(link,), refused="")
    world.loop.agent_reported("gw1")
    world.step()


def seen(member: str, endpoint: str, gateway: int = 1, rail: int = 1) -> Sighting:
    return Sighting(member=MemberName(member), gateway=gateway, rail=rail, endpoint=endpoint)


def test_what_a_gateway_hears_elsewhere_stands_in_the_record_while_it_does(world: World) -> None:
    reports(world, HEARD)
    key = f"sighting/{EU}/1/1"
    assert world.record()[key] == seen(EU, HEARD)
    reports(world, HEARD, connected=False)
    assert key in world.record()
    published = len(world.peers.published)
    reports(world, HEARD)
    assert len(world.peers.published) == published
    reports(world, "")
    assert key not in world.record()


def test_further_endpoints_stand_in_the_record(world: World) -> None:
    reports(world, "")
    gateway = world.record()["gateway/1"]
    assert (gateway.endpoint, gateway.alternates, gateway.relay) == ("10.9.0.1:51820", ("192.0.2.1:51820",), True)


def test_gateways_are_told_what_peers_hear_of_each_other_and_nodes_are_not(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    third = MemberName("ap-south")
    entry = structs.replace(world.acme.member(EU), name=third, number=3, overlay="fd49:7374:0:3::/64")
    world.source.ledger = structs.replace(world.source.ledger, members=world.source.ledger.members | {third: entry})
    silent = PeerState(view={}, head=None, connected=True, age=0.0, refusals=())
    one = world.peers.states
    monkeypatch.setattr(world.peers, "states", lambda: {**one(), third: silent})
    world.peer_says(seen("ap-south", HEARD), seen("us-east", HEARD), seen("mars", HEARD))
    wanted = Sighted(member=third, gateway=1, rail=1, endpoints=(HEARD,))
    told = {key: value for key, value in world.handout("gw1").items() if isinstance(value, Sighted)}
    assert told == {"sighted/ap-south/1/1": wanted}
    assert not any(isinstance(value, Sighted) for value in world.handout("node1").values())


def test_what_more_of_them_say_comes_first_then_the_eldest() -> None:
    said = {
        7: [seen("ap-south", "198.51.100.9:1")],
        2: [seen("ap-south", "203.0.113.66:1")],
        5: [seen("ap-south", "198.51.100.9:1"), seen("mars", HEARD), seen("ap-south", HEARD, rail=2)],
        9: [seen("ap-south", f"198.51.100.{number}:2") for number in range(9)],
    }
    found = sighted(said, {MemberName("ap-south")}, OWN)
    assert found.keys() == {"sighted/ap-south/1/1", "sighted/ap-south/1/2"}
    assert found["sighted/ap-south/1/1"].endpoints[:2] == ("198.51.100.9:1", "203.0.113.66:1")
    assert len(found["sighted/ap-south/1/1"].endpoints) == 4
    assert found["sighted/ap-south/1/2"].endpoints == (HEARD,)


def test_what_is_heard_at_an_address_of_ours_is_not_tried() -> None:
    said = {
        2: [
            seen("ap-south", "10.1.4.4:51820"),
            seen("ap-south", "10.244.0.9:1", rail=2),
            seen("ap-south", HEARD, rail=3),
        ]
    }
    assert sighted(said, {MemberName("ap-south")}, OWN).keys() == {"sighted/ap-south/1/3"}


def test_who_knows_of_no_further_endpoints_has_none() -> None:
    assert PeerGateway(id=1, key=b"", endpoint="192.0.2.1:1", overlay="fd00::1", port=1).alternates == ()
