"""Compare, apply, read back: against the twin."""

from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from federation.model.handout import Peer, PeerGateway
from gateways.intent import intend
from gateways.kernel.memory import Twin
from gateways.reach import Now
from gateways.render.wireguard import Counters
from gateways.state import NodeState
from gateways.sync import Sync, Wanted, remove, wanted_of
from tests.unit.gateways.test_intent import AP, CLIENT, EU, EU_PEER, GATEWAY, NODE, US
from tests.worlds.two_members import candidate, keyed, peer, site, web_import

AP_PEER = peer(AP, "192.0.2.3:51820")


def gateway_state(*peers: Peer) -> NodeState:
    return intend(GATEWAY, keyed(site(US), *peers))


def wanted(*peers: Peer) -> Wanted:
    return wanted_of(gateway_state(*peers))


def held(twin: Twin) -> object:
    return twin.wireguard.devices, twin.routes.links, twin.filter.tables


def test_a_clean_node_gets_everything_and_a_second_pass_changes_nothing() -> None:
    twin = Twin()
    sync = Sync(twin.kernel)
    first = sync.once(wanted(EU_PEER))
    assert first.problems == () and first.changed == ("nft", "wireguard", "routes")
    assert twin.ledger.commands[1].startswith("ip link add ist0000000 type wireguard")
    assert "ip route replace fd49:7374:0:2::/64 dev ist0000000 proto 157" in twin.ledger.commands
    assert sync.once(wanted(EU_PEER)).changed == ()


def test_adding_a_peer_leaves_the_other_ones_counters() -> None:
    twin = Twin()
    sync = Sync(twin.kernel)
    sync.once(wanted(EU_PEER))
    actual = twin.wireguard.devices["ist0000000"]
    twin.wireguard.devices["ist0000000"] = structs.replace(actual, counters={EU.public_key: Counters(5, 6, 7)})
    twin.ledger.commands.clear()
    sync.once(wanted(EU_PEER, AP_PEER))
    assert twin.wireguard.devices["ist0000000"].counters[EU.public_key] == Counters(5, 6, 7)
    assert [c for c in twin.ledger.commands if "peer" in c and "endpoint 192.0.2.2" in c] == []


def test_what_a_hand_removed_comes_back() -> None:
    twin = Twin()
    sync = Sync(twin.kernel)
    sync.once(wanted(EU_PEER))
    before = held(twin)
    twin.filter.tables.clear()
    twin.routes.links["ist0000000"] = structs.replace(twin.routes.links["ist0000000"], routes=())
    device = twin.wireguard.devices["ist0000000"]
    twin.wireguard.devices["ist0000000"] = structs.replace(device, device=structs.replace(device.device, peers=()))
    assert sync.once(wanted(EU_PEER)).changed == ("nft", "wireguard", "routes")
    assert held(twin) == before


def test_a_roamed_endpoint_is_left_and_a_changed_wish_is_set() -> None:
    twin = Twin()
    sync = Sync(twin.kernel)
    sync.once(wanted(EU_PEER))
    actual = twin.wireguard.devices["ist0000000"]
    roamed = structs.replace(actual.device.peers[0], endpoint="198.51.100.7:4000")
    twin.wireguard.devices["ist0000000"] = structs.replace(
        actual, device=structs.replace(actual.device, peers=(roamed,))
    )
    assert sync.once(wanted(EU_PEER)).changed == ()
    sync.once(wanted(peer(EU, "203.0.113.9:51820")))
    assert twin.wireguard.devices["ist0000000"].device.peers[0].endpoint == "203.0.113.9:51820"


def test_a_failed_call_is_one_problem_and_the_next_pass_finishes() -> None:
    for number in range(1, 8):
        twin = Twin()
        sync = Sync(twin.kernel)
        twin.ledger.fail = number
        assert sync.once(wanted(EU_PEER)).problems == ("E190 the twin was told to fail this call",)
        assert sync.once(wanted(EU_PEER)).problems == ()
        clean = Twin()
        Sync(clean.kernel).once(wanted(EU_PEER))
        assert held(twin) == held(clean)


def test_a_node_has_no_device() -> None:
    twin = Twin()
    state = intend(NODE, keyed(site(US), EU_PEER, web_import(candidate(EU, 1, 1)), CLIENT))
    assert Sync(twin.kernel).once(wanted_of(state)).changed == ("nft",)
    assert twin.wireguard.devices == {} and list(twin.filter.tables) == ["isthmus_node"]


def test_clean_removes_what_is_ours_and_nothing_else() -> None:
    twin = Twin()
    Sync(twin.kernel).once(wanted(EU_PEER))
    node = intend(NODE, keyed(site(US), CLIENT))
    Sync(twin.kernel).once(wanted_of(node))
    remove(twin.kernel, "gateway", "ist000000")
    assert twin.wireguard.devices == {} and list(twin.filter.tables) == ["isthmus_node"]
    remove(twin.kernel, "gateway", "ist000000")


def some_peer(number: int, key: int) -> Peer:
    gateway = PeerGateway(
        id=1,
        key=bytes([key]) * 32,
        endpoint=f"192.0.2.{key}:51820",
        overlay=f"fd49:7374:0:{number + 2:x}::1",
        port=15443,
    )
    name = ("eu-central", "ap-south")[number]
    return structs.replace(peer({"eu-central": EU, "ap-south": AP}[name], "", (gateway,)), number=number + 2)


WORLDS = st.lists(
    st.tuples(st.sets(st.integers(0, 1)), st.integers(1, 3)).map(
        lambda drawn: tuple(some_peer(number, drawn[1] + 4 * number) for number in sorted(drawn[0]))
    ),
    min_size=1,
    max_size=5,
)


@given(WORLDS)
def test_the_path_to_a_state_does_not_show_in_it(worlds: list[tuple[Peer, ...]]) -> None:
    twin = Twin()
    sync = Sync(twin.kernel)
    for world in worlds:
        assert sync.once(wanted(*world)).problems == ()
    straight = Twin()
    Sync(straight.kernel).once(wanted(*worlds[-1]))
    assert held(twin) == held(straight)


def test_the_elder_sets_a_peer_that_never_shook_hands_anew_three_times_and_then_leaves_it() -> None:
    twin = Twin()
    sync = Sync(twin.kernel)
    outcomes = [sync.once(wanted(EU_PEER)) for _ in range(6)]
    assert [outcome.waiting for outcome in outcomes] == [True, True, True, False, False, False]
    assert all(outcome.changed == () for outcome in outcomes[1:])
    assert sum("endpoint 192.0.2.2" in command for command in twin.ledger.commands) == 4


def test_the_younger_leaves_the_start_to_the_elder() -> None:
    twin = Twin()
    sync = Sync(twin.kernel)
    younger = intend(GATEWAY, keyed(structs.replace(site(US), number=9), EU_PEER))
    assert [sync.once(wanted_of(younger)).waiting for _ in range(2)] == [False, False]


def test_a_peer_that_shook_hands_is_never_set_anew() -> None:
    twin = Twin()
    sync = Sync(twin.kernel)
    sync.once(wanted(EU_PEER))
    actual = twin.wireguard.devices["ist0000000"]
    twin.wireguard.devices["ist0000000"] = structs.replace(actual, counters={EU.public_key: Counters(5, 6, 7)})
    twin.ledger.commands.clear()
    assert not sync.once(wanted(EU_PEER)).waiting
    assert twin.ledger.commands == []


def test_without_the_filter_no_device_and_no_link_come_up() -> None:
    twin = Twin()
    twin.ledger.fail = 1
    outcome = Sync(twin.kernel).once(wanted(EU_PEER))
    assert outcome.problems and outcome.changed == ()
    assert twin.wireguard.devices == {}
    assert twin.routes.links == {}


def test_a_peer_that_claims_our_own_key_is_left_out() -> None:
    thief = PeerGateway(id=1, key=US.public_key, endpoint="192.0.2.2:51820", overlay=EU.gateway_address, port=15443)
    state = gateway_state(peer(EU, "", (thief,)))
    assert [tunnel.peers for tunnel in state.tunnels] == [()]
    text = "E121 peer eu-central: one of its gateways has our own WireGuard key; the peer is left out"
    assert text in state.problems


def moved(twin: Twin, endpoint: str, count: Counters) -> None:
    """The peer is heard from here, or nothing is."""
    held = twin.wireguard.devices["ist0000000"]
    (peer,) = held.device.peers
    there = structs.replace(held.device, peers=(structs.replace(peer, endpoint=endpoint),))
    twin.wireguard.devices["ist0000000"] = structs.replace(held, device=there, counters={peer.key: count})


def endpoint_of(twin: Twin) -> str:
    (peer,) = twin.wireguard.devices["ist0000000"].device.peers
    return peer.endpoint


def test_a_peer_that_is_not_heard_is_looked_for_and_one_that_is_heard_is_left() -> None:
    twin, now = Twin(), [0.0]
    sync = Sync(twin.kernel, lambda: Now(now[0], now[0]))
    (lone,) = EU_PEER.gateways
    behind = structs.replace(EU_PEER, gateways=(structs.replace(lone, alternates=("198.51.100.2:51820",)),))
    sync.once(wanted(behind))
    tried = []
    for now[0] in (3.0, 6.0, 9.0, 12.0, 15.0):
        assert sync.once(wanted(behind)).changed == ()
        tried.append(endpoint_of(twin))
    record, further = "192.0.2.2:51820", "198.51.100.2:51820"
    assert tried == [record, further, further, record, record]
    for number, now[0] in enumerate(range(18, 90, 9)):
        moved(twin, "203.0.113.9:4000", Counters(1, number + 1, 1))
        outcome = sync.once(wanted(behind))
        assert endpoint_of(twin) == "203.0.113.9:4000"
    assert set(outcome.heard.values()) == {"203.0.113.9:4000"}
    for now[0] in (90.0, 99.0, 105.0):
        sync.once(wanted(behind))
    assert endpoint_of(twin) == "203.0.113.9:4000"
    looked = []
    for now[0] in (108.0, 114.0, 120.0, 126.0):
        sync.once(wanted(behind))
        looked.append(endpoint_of(twin))
    assert set(looked) == {record, further, "203.0.113.9:4000"}
