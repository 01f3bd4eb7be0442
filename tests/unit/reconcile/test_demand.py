"""Demand over agents, in virtual time: sums, agents that go, restarts, pace."""

import random

import pytest
from msgspec import structs

from federation.adapters.memory import ManualClock, MemoryStore
from federation.model.flows import Flow, FlowReport
from federation.model.names import MemberName, ServiceKey
from federation.reconcile.demand import AWAY, CHANGES, PREFIX, Demands

WEB = ServiceKey("shop", "web")
US, EU = MemberName("us-east"), MemberName("eu-central")


def flows(*mrps: int, service: ServiceKey = WEB) -> FlowReport:
    return FlowReport(service, tuple(Flow(f"shop/c{number}", US, rate) for number, rate in enumerate(mrps)))


class Member:
    """A member's demands over a store and a clock; agents are connected until a test says otherwise."""

    def __init__(self, measured: bool = True) -> None:
        self.store, self.clock = MemoryStore(), ManualClock()
        self.connected = {"n1", "n2"}
        self.measured = measured
        self.restart()
        self.clock.advance(AWAY)

    def restart(self) -> None:
        self.demands = Demands(self.store, self.clock)

    def look(self, seconds: float = 1) -> set[ServiceKey]:
        self.clock.advance(seconds)
        return self.demands.look(self.connected.__contains__, lambda service: self.measured)


def test_it_is_the_sum_over_agents_and_members() -> None:
    member = Member()
    member.demands.heard("n1", {WEB: flows(10_000, 5_000)})
    member.demands.heard("n2", {WEB: flows(7_400)})
    assert member.look() == {WEB} and member.demands.of(WEB) == 23
    assert member.look() == set(), "nothing moved"
    member.demands.heard("n2", {WEB: None})
    assert member.look() == {WEB} and member.demands.of(WEB) == 15


def test_a_surge_counts_in_place_of_its_flows_while_it_is_more() -> None:
    member = Member()
    member.demands.heard("n1", {WEB: flows(300_000, 200_000)})
    member.demands.heard("n2", {WEB: flows(100_000)})
    assert member.look() == {WEB} and member.demands.of(WEB) == 600
    member.demands.heard("n1", {WEB: structs.replace(flows(340_000, 230_000), surge=1_250_000)})
    assert member.look() == {WEB} and member.demands.of(WEB) == 1_350
    member.demands.heard("n1", {WEB: structs.replace(flows(700_000, 560_000), surge=1_250_000)})
    assert member.look() == set(), "the flows are more by now, and near it"
    member.demands.forget("n1")
    assert member.look() == {WEB} and member.demands.of(WEB) == 100


def test_any_traffic_is_known_traffic() -> None:
    member = Member()
    member.demands.heard("n1", {WEB: flows(100)})
    assert member.look() == {WEB} and member.demands.of(WEB) == 1


def test_noise_moves_nothing() -> None:
    member, noise = Member(), random.Random(6)
    member.demands.heard("n1", {WEB: flows(400_000)})
    member.look()
    for _ in range(200):
        member.demands.heard("n1", {WEB: flows(round(400_000 * noise.uniform(0.92, 1.08)))})
        assert member.look() == set()
    assert member.demands.of(WEB) == 400


def test_an_agent_that_is_gone_counts_ten_seconds_more_and_again_when_it_is_back() -> None:
    member = Member()
    member.demands.heard("n1", {WEB: flows(50_000)})
    member.demands.heard("n2", {WEB: flows(50_000)})
    member.look()
    member.connected.discard("n2")
    for _ in range(10):
        assert member.look() == set()
    assert member.look() == {WEB} and member.demands.of(WEB) == 50
    member.demands.heard("n2", {WEB: flows(60_000)})
    assert member.look() == set(), "a late word of one that is away"
    member.connected.add("n2")
    assert member.look() == {WEB} and member.demands.of(WEB) == 110
    assert sum(flow.mrps for report in member.demands.reports() for flow in report.flows) == 110_000


def test_one_that_is_forgotten_counts_no_more_at_once() -> None:
    member = Member()
    member.demands.heard("n1", {WEB: flows(50_000)})
    member.look()
    member.demands.forget("n1")
    assert member.look() == {WEB} and member.demands.of(WEB) == 0
    assert list(member.demands.reports()) == []


def test_a_controller_that_restarts_moves_no_traffic() -> None:
    """Agents come back one after the other; until they had time to, what was known stands. More counts at once."""
    member = Member()
    member.demands.heard("n1", {WEB: flows(90_000)})
    member.demands.heard("n2", {WEB: flows(90_000)})
    member.look()
    member.restart()
    assert member.demands.of(WEB) == 180
    assert member.look() == set()
    member.demands.heard("n1", {WEB: flows(90_000)})
    assert member.look() == set() and member.demands.of(WEB) == 180
    member.demands.heard("n1", {WEB: flows(290_000)})
    assert member.look() == {WEB} and member.demands.of(WEB) == 290
    member.demands.heard("n1", {WEB: flows(90_000)})
    assert member.look() == set()
    assert member.look(AWAY) == {WEB} and member.demands.of(WEB) == 90


def test_what_is_stored_moves_with_big_changes_alone_and_goes_with_the_traffic() -> None:
    member = Member()
    written = []
    for rate in (100_000, 115_000, 130_000, 300_000):
        member.demands.heard("n1", {WEB: flows(rate)})
        member.look()
        written.append(member.store.get(f"{PREFIX}{WEB}"))
    assert written == [b"100", b"100", b"100", b"300"]
    member.demands.heard("n1", {WEB: None})
    member.look()
    assert member.store.items(PREFIX) == {}


def test_where_no_capacity_is_known_demand_is_known_but_plans_and_store_are_left_alone() -> None:
    member = Member(measured=False)
    member.demands.heard("n1", {WEB: flows(100_000)})
    assert member.look() == set() and member.demands.of(WEB) == 100
    assert member.store.items(PREFIX) == {}


def test_no_more_than_so_many_services_move_in_a_second_and_none_is_starved() -> None:
    member = Member()
    services = [ServiceKey("shop", f"s{number}") for number in range(5 * CHANGES)]
    moved: list[ServiceKey] = []
    for second in range(5):
        for number, service in enumerate(services):
            member.demands.heard("n1", {service: flows((second + 1) * 100_000 + number, service=service)})
        found = member.look()
        assert len(found) == CHANGES
        moved += sorted(found)
    assert len(set(moved)) == len(services)
    assert member.demands.look(member.connected.__contains__, lambda service: True) == set(), "at most once a second"


@pytest.mark.parametrize("gap", [0.2, 0.9])
def test_two_looks_within_a_second_are_one(gap: float) -> None:
    member = Member()
    member.look()
    member.demands.heard("n1", {WEB: flows(100_000)})
    assert member.look(gap) == set()
    assert member.look(1 - gap) == {WEB}


def test_what_others_ask_is_looked_at_within_a_second_and_not_all_at_once() -> None:
    member = Member()
    services = [ServiceKey("shop", f"s{number:03}") for number in range(2 * CHANGES)]
    member.demands.asked(US, services)
    assert member.look() == set(services[:CHANGES])
    member.demands.heard("n1", {WEB: flows(100_000)})
    assert member.look() == {WEB, *services[CHANGES:]}
    assert member.look() == set()


def test_who_asks_much_delays_nobody_else() -> None:
    member = Member()
    member.demands.asked(US, [ServiceKey("shop", f"s{number:04}") for number in range(5_000)])
    member.demands.asked(EU, [WEB])
    found = member.look()
    assert WEB in found and len(found) == CHANGES
