"""Flat mode at a controller: in force while both say so, and by addresses that are theirs; what is said of it."""

import asyncio
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from msgspec import structs

from federation.api.flat import FlatRoute
from federation.model.errors import IsthmusError
from federation.model.flat import Flat, Image
from federation.model.handout import OwnNode, Peer
from federation.model.ledger import Member
from federation.model.names import MemberName
from federation.model.report import NodeReport
from federation.ports import AgentState
from federation.reconcile.flat import FlatPairs
from federation.reconcile.flattening import Flattener
from federation.session.tree import Change
from federation.wire.record import RECORD
from tests.worlds.controller import EU, World

US = MemberName("us-east")


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def theirs(world: World, *said: Flat) -> None:
    """The peer's record says just this of flat mode."""
    keys = [key for key in world.peers.view if key.startswith("flat/")]
    for key in keys:
        del world.peers.view[key]
    world.peers.view |= {f"flat/{one.to}": one for one in said}
    changed = {f"flat/{one.to}": b"" for one in said}
    world.loop.peer_changed(EU, Change(changed, frozenset(keys) - changed.keys()))


def ranges(world: World) -> tuple[str, ...]:
    """What our gateways are given of the peer's pods."""
    peer = world.handout("gw1")["peer/eu-central"]
    assert isinstance(peer, Peer)
    return peer.flat


def test_it_is_in_force_while_both_say_so_over_a_restart_as_well(world: World) -> None:
    flattener = Flattener(world.loop)
    assert ranges(world) == ()
    asyncio.run(flattener.allow("eu-central"))
    assert ranges(world) == ()
    assert RECORD.decode_tree(world.loop.desired.record)["flat/eu-central"] == Flat(EU)
    theirs(world, Flat(US))
    assert ranges(world) == ("10.2.0.0/16",)
    world.loop = world.start()
    assert ranges(world) == ("10.2.0.0/16",)
    theirs(world)
    assert ranges(world) == ()
    theirs(world, Flat(US))
    asyncio.run(Flattener(world.loop).deny("eu-central"))
    assert ranges(world) == ()
    assert "flat/eu-central" not in RECORD.decode_tree(world.loop.desired.record)


def test_each_side_is_told_what_is_missing(world: World) -> None:
    told = Flattener(world.loop)
    neither = "run `isthmus flat allow eu-central`, and its operator the like"
    assert why(told) == f"allowed by neither: {neither}"
    theirs(world, Flat(US))
    world.handout("gw1")
    assert why(told) == "not allowed here: run `isthmus flat allow eu-central`"
    theirs(world)
    asyncio.run(told.allow("eu-central"))
    world.handout("gw1")
    assert why(told) == "not allowed by eu-central: its operator runs `isthmus flat allow us-east`"
    theirs(world, Flat(US))
    world.handout("gw1")
    (row,) = told.shown()["pairs"]
    assert row["in_force"] and list(row["ranges"]) == ["10.2.0.0/16"]


def why(told: Flattener) -> str:
    (row,) = told.shown()["pairs"]
    assert not row["in_force"]
    return str(row["why"])


def member(name: str, *reachable: str, local: tuple[str, ...] = ()) -> Member:
    key = b"k" * 32
    return Member(
        name=MemberName(name), number=1, region="r", anchor="", record_key=key, overlay="fd00::/64",
        reachable=reachable, local=local,
    )  # fmt: skip


NOT_IN_FORCE = {
    "its controller": (
        member("us-east", "10.1.0.0/16"),
        structs.replace(member("eu-central", "10.2.0.0/16", "fd00:2::/48"), sync=("eu.example:7443", "192.0.2.1:7443", "[fd00:2::9]:7443")),
        "fd00:2::/48 of eu-central holds its controller fd00:2::9, which must be reached beside the tunnels",
    ),
    "its ingress": (
        member("us-east", "10.1.0.0/16"),
        structs.replace(member("eu-central", "10.2.0.0/16"), ingress=("10.2.3.10",)),
        "10.2.0.0/16 of eu-central holds its ingress 10.2.3.10, which must be reached beside the tunnels",
    ),
    "its DNS server": (
        member("us-east", "10.1.0.0/16"),
        structs.replace(member("eu-central", "10.2.0.0/16"), nameservers=("10.2.0.53",)),
        "10.2.0.0/16 of eu-central holds its DNS server 10.2.0.53, which must be reached beside the tunnels",
    ),
    "no range there": (member("us-east", "10.1.0.0/16"), member("eu-central"), "eu-central has no reachable range in the ledger"),
    "none here": (member("us-east"), member("eu-central", "10.2.0.0/16"), "us-east has no reachable range in the ledger"),
    "ours by another name": (
        member("us-east", "10.1.0.0/16", local=("10.2.5.0/24",)),
        member("eu-central", "10.9.0.0/16", "10.2.0.0/16"),
        "10.2.0.0/16 of eu-central overlaps 10.2.5.0/24, a local range of ours",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", NOT_IN_FORCE)
def test_addresses_that_stand_against_it(world: World, case: str) -> None:
    own, other, told = NOT_IN_FORCE[case]
    pairs = FlatPairs(US, world.store, ())
    pairs.allow(EU)
    pair = pairs.pair(own, other, {"flat/us-east": Flat(US)})
    assert (pair.why, pair.ranges) == (told, ())


REFUSED = {
    "itself": ("allow", "us-east", 'E104 member "us-east": is this one; name another'),
    "nobody": ("allow", "mars", 'E104 member "mars": is no other member; known: eu-central'),
    "not allowed": ("deny", "eu-central", 'E102 member "eu-central": flat mode is not allowed with it: nothing to deny'),
    "nobody to deny": ("deny", "mars", 'E104 member "mars": is no other member; known: eu-central'),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused(world: World, case: str) -> None:
    verb, name, told = REFUSED[case]
    with pytest.raises(IsthmusError) as caught:
        asyncio.run(getattr(Flattener(world.loop), verb)(name))
    assert str(caught.value) == told


def test_an_image_holds_within_the_ranges_of_the_ledger(world: World) -> None:
    good, foreign = Image("10.244.0.0/17", "10.1.0.0/17"), Image("10.244.128.0/17", "10.2.0.0/17")
    stray = Image("10.250.0.0/24", "10.1.200.0/24")
    own = member("us-east", "10.1.0.0/16", local=("10.244.0.0/16",))
    pairs = FlatPairs(US, world.store, (good, foreign, stray))
    assert pairs.images(own) == (good,)
    assert pairs.problems(own) == [
        "E103 --flat-map 10.244.128.0/17=10.2.0.0/17: 10.2.0.0/17 lies in none of this member's reachable ranges in the "
        "ledger [10.1.0.0/16]",
        "E103 --flat-map 10.250.0.0/24=10.1.200.0/24: 10.250.0.0/24 lies in none of this member's local ranges in the "
        "ledger [10.244.0.0/16]",
    ]


def test_a_nodes_pods_are_told_as_others_see_them_and_nobody_elses(world: World) -> None:
    inside = NodeReport(node="gw1", role="gateway", wireguard_key=b"g" * 32, gateway_inside="10.1.0.1:51900")
    pods = ("10.1.3.0/24", "10.2.3.0/24", "nonsense", "fd00::/64")
    node = NodeReport(node="node1", role="node", wireguard_key=b"n" * 32, address="10.1.0.9", pods=pods)
    for one in (inside, node):
        world.agents.said[one.node] = AgentState(connected=True, wanted=b"", node=one, links=(), refused="")
        world.loop.agent_reported(one.node)
    told = world.handout("gw1")["own-node/node1"]
    assert isinstance(told, OwnNode)
    assert (told.pods, told.address) == (("10.1.3.0/24",), "10.1.0.9")


def test_images_are_of_one_address_each() -> None:
    assert structs.astuple(Image("10.244.0.0/16", "100.70.0.0/16")) == ("10.244.0.0/16", "100.70.0.0/16")


def test_the_controllers_socket_answers_and_refuses(world: World) -> None:
    theirs(world, Flat(US))
    world.handout("gw1")

    async def asked() -> list[object]:
        app = web.Application()
        FlatRoute(Flattener(world.loop)).add_to(app)
        found: list[object] = []
        async with TestClient(TestServer(app)) as client:
            for body in ({"member": "eu-central", "allowed": True}, {"member": "mars", "allowed": True}, {"member": 1}):
                answer = await client.post("/v1/flat", json=body)
                found.append((answer.status, await answer.json()))
            found.append(await (await client.get("/v1/flat")).json())
        return found

    row = {"member": "eu-central", "here": True, "there": True, "ranges": ["10.2.0.0/16"], "why": "", "in_force": True}
    allowed, unknown, unread, shown = asyncio.run(asked())
    assert allowed == (200, row)
    assert unknown == (404, {"code": "E104", "error": 'member "mars": is no other member; known: eu-central'})
    assert isinstance(unread, tuple) and unread[0] == 400 and unread[1]["code"] == "E125"
    assert shown == {"pairs": [row], "egress": [], "problems": []}
