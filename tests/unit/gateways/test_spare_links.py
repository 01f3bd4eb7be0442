"""A gateway with two keys: what stands under each, at both ends and at its nodes, and what leads where."""

import pytest
from msgspec import structs

from federation.model.handout import Here, OwnGateway, OwnNode, Peer, PeerGateway, Site
from federation.model.record import Spare
from federation.model.standing import UNKNOWN
from gateways.evidence import Evidence
from gateways.intent import intend
from gateways.kernel.memory import Twin
from gateways.keys import Key, Keys, with_keys
from gateways.planner import Planner
from gateways.probe.counters import link_reports, received, silent_gateways, unsealed
from gateways.probe.trips import NO_TRIP
from gateways.relay.carrier import fars
from gateways.render.gateway_table import gateway_table
from gateways.render.wireguard import Actual, Counters, device_of
from gateways.state import NodeState, Preshared, Situation, Tunnel
from gateways.sync import Outcome, Sync, wanted_of
from tests.unit.gateways.test_intent import EU, EU_PEER, GATEWAY, NODE, US, gateway
from tests.worlds.two_members import keyed, site

KEYS = Keys(Key(b"o" * 32)).begun(b"n" * 32)
BARE = structs.replace(GATEWAY, inside="10.1.0.1:51900")
BEGUN, TURNED = with_keys(BARE, KEYS), with_keys(BARE, KEYS.turned())
ENDED = with_keys(BARE, KEYS.turned().ended())
OUR_NODE = OwnNode(node="n1", key=b"N" * 32, overlay="fd49:7374:0:1:0:1:0:7")
PREFIX, NODES = "fd49:7374:0:2::/64", "fd49:7374:0:1:0:1::/96"
SPARE = Spare(key=b"s" * 32, endpoint="192.0.2.1:51828", rail=5, alternates=("198.51.100.1:51828",))


def ours(rails: dict[str, int]) -> Site:
    return structs.replace(site(US), rails=rails)


BOTH, ONE = ours({"g1": 1, "g1/1": 5}), ours({"g1": 1})


def with_spare(spare: Spare | None, *others: PeerGateway) -> Peer:
    """eu-central, whose gateway has this other key."""
    return structs.replace(EU_PEER, gateways=(structs.replace(gateway(1, b"a" * 32), spare=spare), *others))


def led(state: NodeState) -> dict[str, list[str]]:
    return {one.device: [way.prefix for way in one.ways] for one in state.tunnels}


def named(state: NodeState) -> dict[str, Tunnel]:
    return {one.device: one for one in state.tunnels}


def test_the_other_key_has_devices_ports_and_a_rail_of_its_own_and_nothing_leaves_there() -> None:
    state = intend(BEGUN, keyed(BOTH, EU_PEER, OUR_NODE))
    assert led(state) == {"ist0000000": [PREFIX], "ist0000009": [NODES], "ist0000000b": [], "ist0000009b": []}
    found = named(state)
    assert {name: one.listen_port for name, one in found.items()} == {
        "ist0000000": 51820, "ist0000009": 51900, "ist0000000b": 51828, "ist0000009b": 51901
    }  # fmt: skip
    assert BEGUN.spare is not None
    assert {found[f"ist000000{n}b"].private_key for n in (0, 9)} == {BEGUN.spare.private_key}
    assert [found[name].peers[0].endpoint for name in ("ist0000000", "ist0000000b")] == [
        "192.0.2.2:51820", "192.0.2.2:51824"
    ]  # fmt: skip
    assert [one.spare for one in state.tunnels] == [peer.spare for one in state.tunnels for peer in one.peers]


def test_when_it_is_turned_only_ways_move() -> None:
    begun, turned = (intend(one, keyed(BOTH, EU_PEER, OUR_NODE)) for one in (BEGUN, TURNED))
    assert led(turned) == {"ist0000000": [], "ist0000009": [], "ist0000000b": [PREFIX], "ist0000009b": [NODES]}
    assert {device_of(one) for one in begun.tunnels} == {device_of(one) for one in turned.tunnels}
    ended = intend(ENDED, keyed(ours({"g1/1": 5}), EU_PEER, OUR_NODE))
    assert {device_of(one) for one in ended.tunnels} < {device_of(one) for one in turned.tunnels}
    assert led(ended) == {"ist0000000b": [PREFIX], "ist0000009b": [NODES]}


def test_before_its_rail_is_given_nothing_stands_under_it() -> None:
    assert led(intend(BEGUN, keyed(ONE, EU_PEER, OUR_NODE))).keys() == {"ist0000000", "ist0000009"}


def test_a_gateway_without_a_rail_for_its_key_does_nothing() -> None:
    state = intend(ENDED, keyed(ONE, EU_PEER))
    assert not state.known and state.problems[0].startswith("E127 gateway g1: 8 gateways of this member carry already")


def test_an_agent_that_is_told_of_keys_has_the_state_that_one_has_from_nothing() -> None:
    planner, told = Planner(BARE), keyed(BOTH, EU_PEER, OUR_NODE)
    planner.step(dict(told), Evidence())
    for now in (BEGUN, TURNED, with_keys(BARE, KEYS.ended()), BEGUN, TURNED, ENDED):
        planner.stand(now)
        planner.step({}, Evidence())
        assert planner.state == intend(now, told)


def test_the_other_end_has_a_device_for_either_key_and_sends_under_the_first() -> None:
    state = intend(GATEWAY, keyed(site(US), with_spare(SPARE)))
    assert led(state) == {"ist0000000": [PREFIX], "ist0000004": []}
    (old,), (new,) = (one.peers for one in state.tunnels)
    assert (old.spare, new.spare) == (False, True)
    assert (new.key, new.endpoint, new.alternates) == (SPARE.key, SPARE.endpoint, SPARE.alternates)
    assert new.allowed == old.allowed and new.overlay == old.overlay


def test_both_ends_of_every_link_find_each_other_while_both_have_two_keys() -> None:
    """Our device and port for theirs is their device and port for ours, whichever keys."""
    here = intend(BEGUN, keyed(BOTH, with_spare(SPARE)))
    first = {1: 51820, SPARE.rail: 51828}
    links = {(one.listen_port, peer.endpoint) for one in here.tunnels if one.rail for peer in one.peers}
    assert links == {
        (base + rail - 1, f"192.0.2.1:{first[rail] + own - 1}")
        for base, own in ((51820, 1), (51828, 5))
        for rail in first
    }


def test_a_preshared_key_is_mixed_into_links_under_both() -> None:
    held = Evidence(preshared=Preshared({"eu-central": b"p" * 32}))
    for state in (intend(BEGUN, keyed(BOTH, EU_PEER), held), intend(GATEWAY, keyed(site(US), with_spare(SPARE)), held)):
        assert {peer.preshared for one in state.tunnels if one.rail for peer in one.peers} == {b"p" * 32}


BAD_SPARES = {
    "on the rail of its own gateway": (
        with_spare(structs.replace(SPARE, rail=1)),
        "E121 peer eu-central: the spare key of gateway 1 is on a rail that is taken; that key is left out",
    ),
    "on the rail of another gateway": (
        with_spare(structs.replace(SPARE, rail=2), gateway(2, b"b" * 32)),
        "E121 peer eu-central: the spare key of gateway 1 is on a rail that is taken; that key is left out",
    ),
    "the key of its own gateway": (
        with_spare(structs.replace(SPARE, key=b"a" * 32)),
        "E121 peer eu-central: a WireGuard key of its gateways is used twice; the peer is left out",
    ),
    "our own key": (
        with_spare(structs.replace(SPARE, key=US.public_key)),
        "E121 peer eu-central: one of its gateways has our own WireGuard key; the peer is left out",
    ),
    "of another size": (
        with_spare(structs.replace(SPARE, key=b"short")),
        "E121 peer eu-central: a WireGuard key of its gateways is not 32 bytes; the peer is left out",
    ),
}


@pytest.mark.parametrize("case", BAD_SPARES)
def test_a_spare_key_that_would_lead_astray_is_left_out(case: str) -> None:
    told, text = BAD_SPARES[case]
    state = intend(GATEWAY, keyed(site(US), told))
    assert state.problems == (text,)
    assert not any(peer.spare for one in state.tunnels for peer in one.peers)


def outcome_of(state: NodeState) -> Outcome:
    """Every device, with a session of the first of them alone."""
    actual = {}
    for place, one in enumerate(state.tunnels):
        counted = Counters(handshake=0 if place else 1_000, rx=100 + place, tx=1)
        actual[one.device] = Actual(device_of(one), {peer.key: counted for peer in one.peers})
    return Outcome((), (), actual)


def test_reports_are_about_the_link_in_use_and_a_spare_one_is_no_trouble() -> None:
    held = Evidence(preshared=Preshared({"eu-central": b"p" * 32}))
    state = intend(GATEWAY, keyed(site(US), with_spare(SPARE)), held)
    outcome, up = outcome_of(state), EU.gateway_address
    reports = link_reports(state.tunnels, outcome.actual, 1_010, lambda _: NO_TRIP, lambda _: UNKNOWN, {})
    assert {key: (one.handshake_age, one.rx) for key, one in reports.items()} == {"link/eu-central/1": (10, 100)}
    assert received(state.tunnels, outcome.actual, state.ways) == {up: 100}
    assert unsealed(state.tunnels, outcome, 1_010) == ()
    assert [one.key for one in fars(state.tunnels)] == [b"a" * 32]


def own_gateway(slot: int) -> OwnGateway:
    ends = {0: (b"o" * 32, "10.1.9.1:51900"), 1: (b"n" * 32, "10.1.9.1:51901")}
    return OwnGateway(
        id=1, node="g1", key=ends[slot][0], endpoint=ends[slot][1], overlay="fd49:7374:0:1::1", slot=slot,
        spare_key=ends[1 - slot][0], spare_endpoint=ends[1 - slot][1],
    )  # fmt: skip


def node_with(slot: int) -> NodeState:
    here = structs.replace(NODE, device="ist00000a")
    return intend(here, keyed(site(US), Here(overlay=OUR_NODE.overlay), own_gateway(slot), EU_PEER))


def test_a_node_sends_and_probes_over_the_device_of_the_key_in_use() -> None:
    before, after = node_with(0), node_with(1)
    ways = [f"{EU.gateway_address}/128", "fd49:7374:0:1::1/128"]
    assert {name: sorted(found) for name, found in led(before).items()} == {"ist00000a1": ways[::-1], "ist00000a1b": []}
    assert {name: sorted(found) for name, found in led(after).items()} == {"ist00000a1b": ways[::-1], "ist00000a1": []}
    assert list(before.ways) == [f"{EU.gateway_address}%ist00000a1"]
    assert list(after.ways) == [f"{EU.gateway_address}%ist00000a1b"]
    assert {device_of(one) for one in before.tunnels} == {device_of(one) for one in after.tunnels}
    assert silent_gateways(before.tunnels, outcome_of(before), 1_010) == ()


def test_what_comes_under_either_key_is_answered_on_the_rail_of_its_sender() -> None:
    """Two devices for one rail of theirs have one mark."""
    state = intend(BEGUN, keyed(BOTH, EU_PEER))
    table = gateway_table(state.tunnels, state.overlay, 15443)
    coming = next(chain for chain in table.chains if chain.name == "rails_in")
    going = next(chain for chain in table.chains if chain.name == "rails_out")
    assert len(coming.rules) == len(going.rules) == 1


def test_a_situation_without_a_second_key_is_as_ever() -> None:
    plain: Situation = with_keys(BARE, Keys(Key(US.seed)))
    assert (plain.slot, plain.spare, plain.public_key) == (0, None, US.public_key)


@pytest.mark.parametrize("number", range(6))
def test_what_leads_to_a_peer_does_so_until_its_other_rail_takes_its_place(number: int) -> None:
    old = gateway(1, b"a" * 32)
    new = structs.replace(
        old,
        key=SPARE.key,
        endpoint=SPARE.endpoint,
        rail=SPARE.rail,
        spare=Spare(key=old.key, endpoint=old.endpoint, rail=1),
    )
    peers = with_spare(SPARE), structs.replace(EU_PEER, gateways=(new,))
    before, after = (wanted_of(intend(GATEWAY, keyed(site(US), one))) for one in peers)
    twin = Twin()
    sync = Sync(twin.kernel)
    for _ in range(5):
        assert sync.once(before).problems == ()
    twin.routes.broken = {"ist0000004"}
    twin.ledger.fail = number
    for _ in range(3):
        assert sync.once(after).problems
        assert PREFIX in {way.prefix for link in twin.routes.links.values() for way in link.routes}
    twin.routes.broken.clear()
    assert sync.once(after).problems == ()
    clean = Twin()
    Sync(clean.kernel).once(after)
    assert twin.routes.links == clean.routes.links
