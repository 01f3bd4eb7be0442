"""Egress addresses at a controller: ranges by command, an address of each for every node with such pods."""

import asyncio
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from msgspec import structs

from federation.adapters.memory import MemoryStore
from federation.api.flat import FlatRoute
from federation.config import Enrolment
from federation.model.errors import IsthmusError
from federation.model.flat import Egress, Flat
from federation.model.handout import Here, OwnNode, Peer, Site, Workload
from federation.model.names import MemberName
from federation.model.report import NodeReport
from federation.ports import AgentState
from federation.reconcile.egress import Egresses
from federation.reconcile.flattening import Flattener
from tests.worlds.controller import World

US = MemberName("us-east")
RANGE, SIX = "10.1.200.0/30", "fd00:1::/126"


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path)
    made.grant("us-east", reachable=("10.1.0.0/16", "fd00:1::/48"))
    inside = NodeReport(node="gw1", role="gateway", wireguard_key=b"g" * 32, gateway_inside="10.1.0.1:51900")
    pods = ("10.1.3.0/24",)
    node = NodeReport(node="node1", role="node", wireguard_key=b"n" * 32, address="10.1.0.9", pods=pods)
    for one in (inside, node):
        made.agents.said[one.node] = AgentState(connected=True, wanted=b"", node=one, links=(), refused="")
        made.loop.agent_reported(one.node)
    made.step()
    return made


def give(world: World, namespace: str, *ranges: str) -> dict[str, object]:
    return asyncio.run(Flattener(world.loop).egress(namespace, ranges))


def here(world: World) -> dict[str, tuple[str, ...]]:
    found = world.handout("node1")["here"]
    assert isinstance(found, Here)
    return found.egress


def behind(world: World) -> tuple[str, ...]:
    found = world.handout("gw1")["own-node/node1"]
    assert isinstance(found, OwnNode)
    return found.pods


def test_a_node_with_such_pods_has_an_address_of_each_range_over_a_restart_as_well(world: World) -> None:
    assert give(world, "shop", RANGE, SIX) == {"namespace": "shop", "ranges": [RANGE, SIX], "nodes": 1}
    assert give(world, "pay", "10.1.201.0/30")["nodes"] == 0
    for _ in range(2):
        assert here(world) == {"shop": ("10.1.200.0", "fd00:1::")}
        assert behind(world) == ("10.1.3.0/24", "10.1.200.0/32", "fd00:1::/128")
        assert world.record()["egress/shop"] == Egress("shop", (RANGE, SIX))
        site = world.handout("gw1")["site"]
        assert isinstance(site, Site) and site.egress == (RANGE, "10.1.201.0/30", SIX)
        world.loop = world.start()
    give(world, "shop")
    assert here(world) == {} and behind(world) == ("10.1.3.0/24",)
    assert "egress/shop" not in world.record()


def test_other_ranges_are_other_addresses(world: World) -> None:
    give(world, "shop", RANGE)
    give(world, "shop", SIX, "10.1.202.0/30")
    assert here(world) == {"shop": ("fd00:1::", "10.1.202.0")}


def test_a_range_that_is_ours_no_more_does_not_hold(world: World) -> None:
    give(world, "shop", RANGE, SIX)
    world.grant("us-east", reachable=("10.1.0.0/16",))
    world.loop.peer_changed(MemberName("eu-central"), None)
    assert world.record()["egress/shop"] == Egress("shop", (RANGE,))
    assert here(world) == {"shop": ("10.1.200.0",)} and behind(world) == ("10.1.3.0/24", "10.1.200.0/32")
    assert Flattener(world.loop).shown()["problems"] == [
        f"E103 egress shop: {SIX} lies in none of this member's reachable ranges in the ledger [10.1.0.0/16]"
    ]


def test_what_a_peer_says_counts_while_flat_mode_is_in_force_and_within_its_ranges(world: World) -> None:
    world.peer_says(Egress("shop", ("10.2.9.0/28", "10.3.9.0/28")), Egress("pay", ("10.3.8.0/28",)))
    peer = world.handout("gw1")["peer/eu-central"]
    assert isinstance(peer, Peer) and peer.egress == {}
    asyncio.run(Flattener(world.loop).allow("eu-central"))
    world.peer_says(Flat(US), Egress("shop", ("10.2.9.0/28", "10.3.9.0/28")), Egress("pay", ("10.3.8.0/28",)))
    peer = world.handout("gw1")["peer/eu-central"]
    assert isinstance(peer, Peer) and peer.egress == {"shop": ("10.2.9.0/28",)}


REFUSED = {
    ("shop", "10.9.0.0/28"): (
        "E103 egress shop: 10.9.0.0/28 lies in none of this member's reachable ranges in the ledger "
        "[10.1.0.0/16, fd00:1::/48]"
    ),
    ("shop", "10.1.3.64/28"): "E101 egress shop: 10.1.3.64/28 overlaps 10.1.3.0/24, pods of node node1; give another",
    ("shop", "10.1.201.0/31"): "E101 egress shop: 10.1.201.0/31 overlaps 10.1.201.0/30, namespace pay; give another",
    ("shop", "10.1.9.0/28", "10.1.9.0/29"): (
        "E101 egress shop: 10.1.9.0/29 overlaps 10.1.9.0/28, given twice; give another"
    ),
    ("shop", *(f"10.1.{n}.0/28" for n in range(30, 35))): "E118 egress shop: 5 ranges > 4; give fewer",
    ("shop", "10.1.9.1/28"): 'E101 egress shop: range "10.1.9.1/28": 10.1.9.1/28 has host bits set',
    ("shop",): 'E102 egress "shop": has no ranges: nothing to take away',
}


@pytest.mark.parametrize("given", REFUSED, ids=" ".join)
def test_what_is_refused(world: World, given: tuple[str, ...]) -> None:
    give(world, "pay", "10.1.201.0/30")
    with pytest.raises(IsthmusError) as caught:
        give(world, *given)
    assert str(caught.value) == REFUSED[given]
    assert set(world.loop.egress.ranges) == {"pay"}


def test_its_own_addresses_do_not_stand_against_a_larger_range(world: World) -> None:
    give(world, "shop", RANGE)
    world.step()
    give(world, "shop", "10.1.200.0/28")
    assert here(world) == {"shop": ("10.1.200.0",)}


def nodes(*names: str, namespace: str = "shop") -> dict[str, Enrolment]:
    pods = (Workload(namespace, "client", ("10.1.2.10",)),)
    return {name: Enrolment(name=name, role="node", workloads=pods) for name in names}


def test_an_address_stays_its_nodes_and_goes_to_another_only_when_there_is_none_left(world: World) -> None:
    own = structs.replace(world.acme.member("us-east"), reachable=("10.1.0.0/16",))
    egress = Egresses(MemoryStore())
    egress.give("shop", ("10.1.200.0/31",))
    assert egress.follow(nodes("a", "b")) and not egress.follow(nodes("a", "b"))
    idle = nodes("b") | nodes("a", namespace="pay")
    assert not egress.follow(idle)
    assert egress.of("a", own) == {"shop": ("10.1.200.0",)}
    assert egress.follow(idle | nodes("c"))
    assert egress.of("c", own) == {"shop": ("10.1.200.0",)} and egress.of("a", own) == {}
    egress.follow(nodes("b", "c", "d"))
    full = "has no address left: its pods there go out under their own; give a larger range"
    assert egress.problems(own) == [f"E118 egress shop: 10.1.200.0/31 {full} (node d)"]
    assert egress.follow(nodes("c", "d")) and egress.problems(own) == []
    assert egress.of("d", own) == {"shop": ("10.1.200.1",)}


def test_the_controllers_socket_answers_and_refuses(world: World) -> None:
    async def asked() -> list[tuple[int, object]]:
        app = web.Application()
        FlatRoute(Flattener(world.loop)).add_to(app)
        found: list[tuple[int, object]] = []
        async with TestClient(TestServer(app)) as client:
            bodies: list[dict[str, object]] = [
                {"namespace": "shop", "ranges": [RANGE]},
                {"namespace": "Shop", "ranges": []},
            ]
            for body in (*bodies, {"ranges": []}):
                answer = await client.post("/v1/flat/egress", json=body)
                found.append((answer.status, await answer.json()))
            found.append((200, (await (await client.get("/v1/flat")).json())["egress"]))
        return found

    row = {"namespace": "shop", "ranges": [RANGE], "nodes": 1}
    form = 'namespace "Shop": must be a DNS label (1 to 63 of a-z, 0-9 and inner "-")'
    given, unnamed, unread, shown = asyncio.run(asked())
    assert given == (200, row) and shown == (200, [row])
    assert unnamed == (400, {"code": "E114", "error": form})
    assert unread[0] == 400
