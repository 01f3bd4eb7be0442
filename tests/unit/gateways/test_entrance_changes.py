"""What one change at a gateway makes anew of its entrance: one chain, or the peers' filter, and never all chains."""

import gc
from weakref import ref

import pytest
from msgspec import Struct, structs

from federation.model.access import AccessRule, Source
from federation.model.handout import Offer
from federation.model.names import ServiceKey
from federation.model.record import Port
from gateways.evidence import NOTHING
from gateways.offering import Offering
from gateways.planner import Planner
from gateways.render.envoy import listeners
from gateways.render.envoy.common import ECDS, LDS, SDS, Json
from gateways.render.envoy.resources import Certificate, resources
from gateways.state import NodeState, Telemetry
from gateways.xds.encode import Encoded, Encoder
from tests.unit.gateways.test_intent import AP, EU_PEER, GATEWAY, US
from tests.worlds.two_members import EVERYONE, keyed, peer, site

NOBODY: tuple[AccessRule, ...] = (AccessRule(sources=(Source("us-east", "a", "b"),)),)
AP_PEER = peer(AP, "192.0.2.3:51820")
LEAF = Certificate("chain", "key")


def offer(number: int, access: tuple[AccessRule, ...] = EVERYONE) -> Offer:
    """Every other one is plain TCP."""
    return Offer(ServiceKey("shop", f"s{number}"), (Port("p", 80, "TCP", "http" if number % 2 else ""),), access=access)


class Gateway:
    """From handout to bytes, as the agent does it."""

    def __init__(self, offers: int = 6) -> None:
        self.planner, self.offering, self.encoder = Planner(GATEWAY), Offering(), Encoder()
        self.take(keyed(site(US), EU_PEER, AP_PEER, *map(offer, range(offers))))

    @property
    def state(self) -> NodeState:
        return self.planner.state

    def take(self, changed: dict[str, Struct] | dict[str, None]) -> Encoded:
        self.offering.note(self.planner.step(changed, NOTHING))
        certificates = {str(identity): LEAF for identity in self.state.identities}
        made = self.encoder.encode(self.offering.due(self.state, certificates))
        self.offering.done(self.state, certificates)
        assert made.problems == ()
        return made

    def chains(self) -> dict[str, Json]:
        assert self.state.gateway is not None
        found = listeners.gateway_listener(self.state.gateway, self.state.situation)["filter_chains"]
        assert isinstance(found, list)
        return {chain["name"]: chain for chain in found}


def test_a_rule_of_one_tcp_port_makes_one_chain() -> None:
    gateway = Gateway()
    before = gateway.chains()
    changed = gateway.take(keyed(offer(2, NOBODY))).changed
    after = gateway.chains()
    assert changed == {(LDS, "gateway")}
    assert [name for name in before if after[name] is not before[name]] == ["p.s2.shop"]
    assert after["p.s2.shop"] != before["p.s2.shop"]


def test_a_rule_of_one_http_port_makes_no_chain() -> None:
    gateway = Gateway()
    before = gateway.state.gateway
    gateway.take(keyed(offer(1, NOBODY)))
    assert gateway.state.gateway is before


def test_a_peer_changes_the_filter_and_the_trust_and_no_chain() -> None:
    gateway = Gateway()
    gone = gateway.take({f"peer/{AP.name}": None})
    trust = {(SDS, name) for name in ("anchors/peers", "anchors/all", f"anchor/{AP.name}")}
    assert gone.changed == {(ECDS, "peers")} | trust
    assert gateway.take(keyed(AP_PEER)).changed == gone.changed


def test_offers_that_come_and_go_leave_the_listener_as_if_made_from_nothing() -> None:
    gateway = Gateway(4)
    for number in (7, 5, 9):
        gateway.take(keyed(offer(number)))
    made = gateway.take({"offer/shop/s0": None, "offer/shop/s7": None})
    fresh = Gateway(0)
    expected = fresh.take(keyed(*map(offer, (1, 2, 3, 5, 9))))
    assert made.snapshot[LDS] == expected.snapshot[LDS]
    assert list(gateway.chains()) == [f"p.s{number}.shop" for number in (1, 2, 3, 5, 9)]


@pytest.mark.parametrize("what", ["telemetry", "member"])
def test_a_kept_chain_is_of_its_own_situation_alone(what: str) -> None:
    """The same offers in another gateway of this process get chains of their own."""
    gateway = Gateway()
    assert gateway.state.gateway is not None
    other = {"telemetry": Telemetry(access_log="/log"), "member": "ap-south"}[what]
    here = structs.replace(GATEWAY, **{what: other})
    mine = listeners.gateway_listener(gateway.state.gateway, GATEWAY)
    its = listeners.gateway_listener(gateway.state.gateway, here)
    assert mine["filter_chains"] != its["filter_chains"]
    assert listeners.gateway_listener(gateway.state.gateway, GATEWAY) == mine


def test_chains_of_offers_that_are_gone_are_not_kept() -> None:
    gateway = Gateway()
    assert gateway.state.gateway is not None
    former = [ref(one) for one in gateway.state.gateway.offered]
    assert all(one() in listeners._CHAINS for one in former)
    gateway.take({f"offer/shop/s{number}": None for number in range(5)})
    gc.collect()
    assert [one() is None for one in former] == [True] * 5 + [False]


def test_every_chain_asks_the_filter_first_and_has_no_other_in_its_place() -> None:
    gateway = Gateway()
    made = resources(gateway.state, {str(identity): LEAF for identity in gateway.state.identities})
    assert list(made[ECDS]) == ["peers"]
    for chain in gateway.chains().values():
        first = chain["filters"][0]  # type: ignore[index]
        assert first["name"] == "peers" and set(first) == {"name", "config_discovery"}
        assert "default_config" not in first["config_discovery"]
