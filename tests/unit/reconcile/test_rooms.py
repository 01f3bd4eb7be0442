"""Demand and grants on their way through the loop: from reports to our record, from peers' records to our nodes."""

from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from federation.adapters.memory import ManualClock
from federation.model.flows import Flow, FlowReport
from federation.model.handout import Import
from federation.model.names import MemberName, ServiceKey
from federation.model.record import Demand, Export, Granted, Resource
from federation.model.report import LinkReport, NodeReport
from federation.model.wish import Wish
from federation.ports import AgentState
from federation.reconcile.demand import AWAY
from federation.reconcile.memory import PREFIX
from federation.session.tree import Change
from tests.unit.reconcile.test_steering import ALL, HOST, WEB, name, peers_web, policy
from tests.worlds.controller import EU, World

US = MemberName("us-east")


class Rooms(World):
    """us-east exports web with two endpoints of 50 rps; eu-central says what a test lets it say."""

    def __init__(self, path: Path, capacity: int | None = 50) -> None:
        super().__init__(path)
        self.agents.said["node1"] = AgentState(
            connected=True, wanted=b"", node=NodeReport(node="node1", role="node"), links=(), refused=""
        )
        self.local(*ALL)
        if capacity:
            self.cluster.put(policy(capacity=capacity))
        self.peer(capacity)
        self.record()
        self.pass_by(AWAY)

    def peer(self, capacity: int | None, *also: Resource) -> None:
        export, part = peers_web()
        assert isinstance(export, Export)
        self.peer_says(structs.replace(export, hint=Wish(capacity=capacity)), part, *also)

    def pass_by(self, seconds: float = 1) -> None:
        assert isinstance(self.clock, ManualClock)
        self.clock.advance(seconds)
        self.step()

    def asked(self, rps: int, agent: str = "node1", service: ServiceKey = WEB) -> None:
        """Our clients ask this much."""
        flow = Flow("shop/client", US, rps * 1_000)
        self.loop.demands.heard(agent, {service: FlowReport(service, (flow,)) if rps else None})
        self.pass_by()

    def said(self, kind: str) -> Any:
        return self.record().get(f"{kind}/shop/web")

    def imported(self) -> Import:
        found = self.handout("node1")["import/shop/web"]
        assert isinstance(found, Import)
        return found

    def granted_by(self, member: MemberName) -> int:
        return next(c.grant for c in self.imported().candidates if c.member == member)


@pytest.fixture
def world(tmp_path: Path) -> Rooms:
    return Rooms(tmp_path)


def test_what_own_clients_leave_is_granted(world: Rooms) -> None:
    assert world.said("grant") == Granted(WEB, {EU: 80}), "nobody asks: all of the room, for a failover"
    world.asked(50)
    assert world.said("grant") == Granted(WEB, {EU: 30})
    assert world.said("demand") is None, "our own take it all"
    world.asked(200)
    assert world.said("grant") == Granted(WEB, {EU: 0})


def test_what_is_beyond_our_own_is_wanted_with_head_room(world: Rooms) -> None:
    world.asked(130)
    assert world.said("demand") == Demand(WEB, 130, {EU: 60})


def test_a_grant_and_demand_reach_our_nodes(world: Rooms) -> None:
    assert world.granted_by(EU) == -1
    world.peer(50, Granted(WEB, {US: 33}))
    world.asked(130)
    assert (world.imported().demand, world.granted_by(EU), world.granted_by(US)) == (130, 33, -1)
    world.peer(50)
    assert world.granted_by(EU) == -1


def test_what_others_want_of_us_moves_our_grants_and_what_they_want_of_others_does_not(world: Rooms) -> None:
    world.asked(60)
    world.peer(50, Demand(WEB, 900, {US: 900}))
    world.pass_by()
    assert world.said("grant") == Granted(WEB, {EU: 20})
    world.peers.view["demand/shop/web"] = Demand(WEB, 905, {US: 900, MemberName("mars"): 5})
    world.loop.peer_changed(EU, Change({"demand/shop/web": b""}, frozenset()))
    root = world.peers.published[-1].root
    world.pass_by()
    assert world.peers.published[-1].root == root


def test_without_any_capacity_nothing_is_said_and_no_plan_moves(tmp_path: Path) -> None:
    world = Rooms(tmp_path, capacity=None)
    root = world.peers.published[-1].root
    world.asked(500)
    assert world.peers.published[-1].root == root
    assert (world.said("demand"), world.said("grant"), world.imported().demand) == (None, None, 0)
    world.cluster.put(policy(capacity=50))
    assert world.imported().demand == 500, "once it is known, so is the demand"
    assert world.said("grant") == Granted(WEB, {EU: 0})


def test_noise_moves_neither_record_nor_handout(world: Rooms) -> None:
    world.asked(130)
    root, handouts = world.peers.published[-1].root, world.agents.count
    for rps in (125, 138, 121, 130):
        world.asked(rps)
    assert (world.peers.published[-1].root, world.agents.count) == (root, handouts)


def test_endpoints_that_go_take_their_room_along_at_once(world: Rooms) -> None:
    world.local(ALL[0], unready=(ALL[1],))
    assert world.said("grant") == Granted(WEB, {EU: 40})


def test_whom_no_way_leads_to_is_asked_for_nothing(world: Rooms) -> None:
    world.asked(130)
    assert world.said("demand") is not None
    link = LinkReport(member=EU, gateway=1, handshake_age=1, rx=0, tx=0, up=False, since=1)
    world.agents.said["gw1"] = AgentState(
        connected=True, wanted=b"", node=NodeReport(node="gw1", role="gateway"), links=(link,), refused=""
    )
    world.loop.agent_reported("gw1")
    assert world.said("demand") is None


def test_a_restart_says_the_same_again(world: Rooms) -> None:
    world.asked(130)
    before = (world.said("demand"), world.said("grant"))
    world.loop = world.start()
    world.peer(50)
    assert (world.said("demand"), world.said("grant")) == before


def test_what_was_said_last_is_not_stored_with_each_change(world: Rooms) -> None:
    stored = world.store.items(PREFIX)
    world.asked(130)
    world.asked(300)
    assert world.store.items(PREFIX) == stored


def test_a_grant_that_rises_is_no_return(world: Rooms) -> None:
    world.asked(130)
    stored = world.store.items(PREFIX)
    for rate in (5, 70, 20, 60):
        world.peer(50, Granted(WEB, {US: rate}))
        assert [(c.since, c.floor) for c in world.imported().candidates] == [(0, 0), (0, 0)]
    assert world.store.items(PREFIX) == stored


def test_a_public_name_knows_capacity_and_no_grant(world: Rooms) -> None:
    world.grant("us-east", dns_zones=("example.test",), ingress=("198.51.100.1",))
    world.grant("eu-central", ingress=("198.51.100.2",))
    world.cluster.put(name())
    world.loop.peer_changed(EU, None)
    world.peer(50, Granted(WEB, {US: 33}))
    targets = world.handout("dns1")[f"steered/{HOST}/shop/web"].targets
    assert {(t.candidate.member, t.candidate.capacity, t.candidate.grant) for t in targets} == {
        (US, 50, -1),
        (EU, 50, -1),
    }


def test_a_liar_gets_its_fair_part(world: Rooms) -> None:
    world.peer(50, Demand(WEB, 10**9, {US: 10**9}))
    world.pass_by()
    assert world.said("grant") == Granted(WEB, {EU: 80}), "never more than there is"
