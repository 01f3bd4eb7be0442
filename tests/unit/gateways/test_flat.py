"""Flat mode on gateways and nodes: whose ranges lead where, which ports are open, what is left out and why."""

from pathlib import Path

import pytest
from msgspec import structs

from federation.model.access import AccessRule, Source
from federation.model.errors import InputError
from federation.model.flat import Image
from federation.model.handout import Here, Offer, OwnGateway, OwnNode, Peer, Pool, Site, Workload
from federation.model.names import MemberName, ServiceKey
from federation.model.record import Endpoint, Port
from federation.model.sighting import Sighted
from federation.model.standing import Standing
from gateways.evidence import NOTHING, Evidence
from gateways.flags import pods_of
from gateways.flat_state import Opening, PodRange
from gateways.intent import intend
from gateways.machine import flat_faults
from gateways.made import kernel_parts
from gateways.render.nft import Map, Set, Table, change_commands
from gateways.render.routes import link_of
from gateways.render.tables import table_of
from gateways.state import NodeState, Tunnel
from tests.unit.gateways.test_intent import EU, EU_PEER, GATEWAY, NODE, US, gateway
from tests.worlds.two_members import EVERYONE, WEB, keyed, peer, real, site

DOWN = Standing(up=False, since=1)
THEIRS, OURS, LOCAL = "10.2.0.0/16", "10.1.0.0/16", "10.244.0.0/16"
FLAT = structs.replace(EU_PEER, flat=(THEIRS, "fd00:2::/48"))
PAIR = structs.replace(FLAT, gateways=(gateway(1, b"a" * 32), gateway(2, b"b" * 32)))
AP = real("ap-south")
OWN = tuple(
    OwnGateway(id=n, node=f"g{n}", key=bytes([n]) * 32, endpoint=f"10.9.9.{n}:51900", overlay=f"fd49:7374:0:1::{n}")
    for n in (1, 2)
)
SITE = structs.replace(site(US), reachable=(OURS, "fd00:1::/48"), local=(LOCAL,))
MAPPED = structs.replace(SITE, images=(Image("10.244.0.0/17", "10.1.0.0/17"),))


def node_of(*values: Peer | OwnGateway | Offer | Pool, pods: tuple[str, ...] = (), own: Site = SITE, seen: Evidence = NOTHING) -> NodeState:  # fmt: skip
    situation = structs.replace(NODE, device="ist00000a", pods=pods)
    return intend(situation, keyed(own, Here(overlay="fd49:7374:0:1:0:1:0:7"), *values), seen)


def gateway_of(
    *values: Peer | OwnNode | Offer | Pool | Sighted, own: Site = SITE, seen: Evidence = NOTHING
) -> NodeState:
    return intend(structs.replace(GATEWAY, inside="10.9.9.1:51900"), keyed(own, *values), seen)


def member_node(name: str, *pods: str, address: str = "10.9.9.50") -> OwnNode:
    return OwnNode(node=name, key=name.encode() * 16, overlay="fd49:7374:0:1:0:1:0:7", pods=pods, address=address)


def leading(tunnels: tuple[Tunnel, ...], prefix: str) -> dict[str, tuple[int, int]]:
    """By device the metric and size of the way there."""
    return {one.device: (way.metric, way.mtu) for one in tunnels for way in one.ways if way.prefix == prefix}


def test_a_peers_ranges_are_owned_by_its_gateways_and_lead_over_one_rail() -> None:
    first, second, _ = gateway_of(PAIR).tunnels
    assert all(one.peers[0].allowed == (EU.overlay, THEIRS, "fd00:2::/48") for one in (first, second))
    assert len(leading((first, second), THEIRS)) == 1


def test_they_move_when_that_rail_is_down() -> None:
    (before,) = leading(gateway_of(PAIR).tunnels, THEIRS)
    lost = EU_PEER.gateways[0].overlay if before.endswith("0") else f"{EU.gateway_address[:-1]}2"
    (after,) = leading(gateway_of(PAIR, seen=Evidence(ways={lost: DOWN})).tunnels, THEIRS)
    assert before != after


def test_a_node_sends_over_its_own_gateway_and_the_others_stand_by() -> None:
    tunnels = node_of(FLAT, *OWN).tunnels
    assert all(THEIRS in one.peers[0].allowed for one in tunnels)
    ways = leading(tunnels, THEIRS)
    (own,) = (device for device, (metric, _) in ways.items() if not metric)
    down, narrow = f"{EU.gateway_address}%{own}", {f"{EU.gateway_address}%{one}": 1360 for one in ways}
    ways = leading(node_of(FLAT, *OWN, seen=Evidence(ways={down: DOWN}, mtus=narrow)).tunnels, THEIRS)
    (other,) = (device for device, (metric, _) in ways.items() if not metric)
    assert other != own and ways[other] == (0, 1360)


def test_pods_lead_to_their_node_and_to_none_on_this_very_machine() -> None:
    here = member_node("nh", "10.1.4.0/24", address="10.9.9.1")
    state = gateway_of(FLAT, member_node("na", "10.1.3.0/24", "fd00:1:0:3::/64"), here)
    inside = state.tunnels[-1]
    assert [one.allowed[1:] for one in inside.peers] == [("10.1.3.0/24", "fd00:1:0:3::/64"), ()]
    assert set(leading((inside,), "10.1.3.0/24")) == {inside.device} and not leading((inside,), "10.1.4.0/24")
    assert state.flat is not None and state.flat.beside == ("10.1.4.0/24",)


def test_a_node_beside_a_gateway_gets_from_the_others_and_sends_nothing_over_them() -> None:
    here = structs.replace(OWN[0], endpoint="10.1.0.1:51900")
    state = node_of(FLAT, here, OWN[1], pods=("10.1.3.0/24",))
    (tunnel,) = state.tunnels
    assert tunnel.inwards and tunnel.peers[0].gateway == 2 and THEIRS in tunnel.peers[0].allowed
    assert [way.prefix for way in tunnel.ways] == [f"{OWN[1].overlay}/128"]
    assert state.ways == {EU.gateway_address: False}
    assert node_of(FLAT, here, OWN[1]).tunnels == node_of(EU_PEER, here, OWN[1], pods=("10.1.3.0/24",)).tunnels == ()


LEFT_OUT = {
    "another's range": (
        (FLAT, member_node("na", "10.2.3.0/24")),
        "E101 node na: pods 10.2.3.0/24: no range of this member has it; they are left out",
    ),
    "another node's": (
        (FLAT, member_node("na", "10.1.3.0/24"), member_node("nb", "10.1.3.128/25")),
        "E101 node nb: pods 10.1.3.128/25: 10.1.3.0/24 is node na's; they are left out",
    ),
    "ours": (
        (structs.replace(EU_PEER, flat=("10.0.0.0/8",)),),
        "E101 peer eu-central: flat range 10.0.0.0/8 overlaps 10.1.0.0/16, which has another owner; "
        "flat mode with it is off",
    ),
    "an elder's": (
        (FLAT, structs.replace(peer(AP, "192.0.2.3:51820"), flat=("10.2.9.0/24",))),
        "E101 peer ap-south: flat range 10.2.9.0/24 overlaps 10.2.0.0/16, which has another owner; "
        "flat mode with it is off",
    ),
    "a member's overlay": (
        (structs.replace(EU_PEER, flat=("fd49:7374:0:2::/65",)),),
        "E101 peer eu-central: flat range fd49:7374:0:2::/65 overlaps fd49:7374:0:2::/64, which has another owner; "
        "flat mode with it is off",
    ),
    "where its gateway is": (
        (structs.replace(EU_PEER, flat=("192.0.2.0/24",)),),
        "E122 peer eu-central: flat range 192.0.2.0/24 holds 192.0.2.2, where a tunnel ends; flat mode with it is off",
    ),
    "where its gateway may be, too": (
        (
            structs.replace(
                EU_PEER,
                flat=("198.51.100.0/24",),
                gateways=(structs.replace(EU_PEER.gateways[0], alternates=("198.51.100.7:51820",)),),
            ),
        ),
        "E122 peer eu-central: flat range 198.51.100.0/24 holds 198.51.100.7, where a tunnel ends; flat mode with it "
        "is off",
    ),
    "where ours is": (
        (structs.replace(EU_PEER, flat=("10.9.9.0/24",)),),
        "E122 peer eu-central: flat range 10.9.9.0/24 holds 10.9.9.1, where a tunnel ends; flat mode with it is off",
    ),
    "no range": (
        (structs.replace(EU_PEER, flat=("pods",)),),
        "E101 peer eu-central: flat range 'pods' does not appear to be an IPv4 or IPv6 network; flat mode with it is off",
    ),
}


@pytest.mark.parametrize("case", LEFT_OUT)
def test_what_is_left_out(case: str) -> None:
    values, told = LEFT_OUT[case]
    assert gateway_of(*values).problems == (told,)


def test_a_nodes_pods_lie_in_its_members_ranges() -> None:
    state = node_of(FLAT, pods=("10.1.3.0/24", "10.9.0.0/24", "10.244.200.0/24", "10.244.3.0/24"), own=MAPPED)
    assert state.flat is not None
    assert state.flat.pods == (PodRange("10.1.3.0/24", "10.1.3.0/24"), PodRange("10.244.3.0/24", "10.1.3.0/24"))
    left = "flat mode leaves its pods out"
    assert state.problems == (
        f"E103 pods 10.244.200.0/24: lies in a local range without a --flat-map at the controller; {left}",
        "E103 pods 10.9.0.0/24: lies in none of this member's reachable ranges in the ledger "
        f"[10.1.0.0/16, fd00:1::/48]; {left}",
    )


def test_a_node_that_was_told_none_has_those_that_its_controller_says() -> None:
    values = keyed(SITE, Here(overlay="fd49:7374:0:1:0:1:0:7", pods=("10.1.3.0/24",)), FLAT)
    for given, found in (((), "10.1.3.0/24"), (("10.1.4.0/24",), "10.1.4.0/24")):
        state = intend(structs.replace(NODE, pods=given), values)
        assert state.flat is not None and state.flat.pods == (PodRange(found, found),)


PORTS = (Port("http", 80, "TCP", "http"), Port("dns", 53, "UDP"), Port("sig", 5060, "SCTP"))
POOL = Pool(
    service=WEB,
    az="a",
    ports=(Port("http", 8080), Port("dns", 5353, "UDP"), Port("sig", 5060, "SCTP"), Port("debug", 9090)),
    endpoints=(Endpoint("10.1.3.7", "unready"),),
)
A, B = MemberName("a"), MemberName("b")
OPENED: dict[str, tuple[tuple[AccessRule, ...], list[tuple[str, str, str]]]] = {
    "everybody": (EVERYONE, [("sctp", "", ""), ("tcp", "", ""), ("udp", "", "")]),
    "nobody": ((), []),
    "two members, one port": ((AccessRule(sources=(Source(A), Source(B)), ports=("dns",)),), [("udp", "a", ""), ("udp", "b", "")]),
    "a member and everybody": ((AccessRule(sources=(Source(A), Source()), ports=("80",)),), [("tcp", "", "")]),
    "a namespace": ((AccessRule(sources=(Source(A, "shop"),), ports=("dns",)),), [("udp", "a", "shop")]),
    "a namespace of anybody": ((AccessRule(sources=(Source("", "shop"), Source(A, "shop")), ports=("80",)),), [("tcp", "", "shop")]),
    "a namespace and its member": ((AccessRule(sources=(Source(A, "shop"), Source(A)), ports=("80",)),), [("tcp", "a", "")]),
    "an account of a namespace": ((AccessRule(sources=(Source(A, "shop", "cart"),)),), []),
    "a path for a namespace": ((AccessRule(sources=(Source(A, "shop"),), paths=("/api",)),), []),
    "an account": ((AccessRule(sources=(Source(A, "", "cart"),)),), []),
    "a method": ((AccessRule(sources=(Source(A),), methods=("GET",)),), []),
    "a path": ((AccessRule(sources=(Source(A),), paths=("/api",)),), []),
}  # fmt: skip


@pytest.mark.parametrize("case", OPENED)
def test_open_is_what_a_whole_member_or_namespace_may(case: str) -> None:
    access, found = OPENED[case]
    offer = Offer(WEB, PORTS, access=access)
    for state in (gateway_of(FLAT, offer, POOL), node_of(FLAT, offer, POOL, pods=("10.1.3.0/24",))):
        assert state.flat is not None
        assert sorted((one.protocol, one.member, one.namespace) for one in state.flat.openings) == found


def test_a_node_opens_its_own_pods_by_their_own_addresses_and_a_gateway_by_both() -> None:
    pool = structs.replace(
        POOL, ports=(Port("http", 8080),), endpoints=(Endpoint("10.244.3.7"), Endpoint("10.244.9.7"))
    )
    offer = Offer(WEB, PORTS, access=EVERYONE)
    node, far = (
        node_of(FLAT, offer, pool, pods=("10.244.3.0/24",), own=MAPPED),
        gateway_of(FLAT, offer, pool, own=MAPPED),
    )
    assert node.flat is not None and far.flat is not None
    assert node.flat.openings == (Opening("10.244.3.7", "tcp", 8080),)
    assert [one.address for one in far.flat.openings] == ["10.1.3.7", "10.1.9.7", "10.244.3.7", "10.244.9.7"]


def test_without_flat_peers_there_is_nothing_of_it() -> None:
    offer = Offer(WEB, PORTS, access=EVERYONE)
    plain, told = gateway_of(EU_PEER, offer, POOL), gateway_of(FLAT, offer, POOL)
    assert plain.flat is None and not table_of(plain).sets and told.flat is not None
    assert not any(one.openings for one in plain.services.values())
    assert "flat" not in str(table_of(plain)) and "flat" in str(table_of(told))


def test_the_table_moves_by_the_elements_that_changed() -> None:
    first, second = ("10.1.3.7", "tcp", 8080), ("10.1.3.8", "tcp", 8080)
    before = Table("t", (), (Set("s", "ip", (first,)),))
    commands = change_commands(Table("t", (), (Set("s", "ip", (second,)),)), before)
    place = {"family": "inet", "table": "t", "name": "s"}
    assert commands == {
        "nftables": [
            {"delete": {"element": place | {"elem": [{"concat": list(first)}]}}},
            {"add": {"element": place | {"elem": [{"concat": list(second)}]}}},
        ]
    }
    assert change_commands(Table("t", ()), before) is None


def test_services_of_one_name_elsewhere_open_nothing() -> None:
    other = structs.replace(POOL, service=ServiceKey("shop", "other"))
    state = gateway_of(FLAT, Offer(WEB, PORTS, access=EVERYONE), other)
    assert state.flat is not None and state.flat.openings == ()


BAD_PODS = {
    ("gateway", "10.1.3.0/24"): "E122 --pods is for the role node; this folder is enrolled as gateway",
    ("node", "10.1.3.1/24"): 'E101 --pods "10.1.3.1/24": 10.1.3.1/24 has host bits set',
    ("node", "10.1.3.0/24", "10.1.3.128/25"): 'E101 --pods "10.1.3.128/25": overlaps 10.1.3.0/24; give each range once',
    ("node", "0.0.0.0/0"): 'E101 --pods "0.0.0.0/0": a default route cannot be claimed',
}


@pytest.mark.parametrize("given", BAD_PODS)
def test_ranges_that_are_none(given: tuple[str, ...]) -> None:
    with pytest.raises(InputError) as caught:
        pods_of(given[0], given[1:])
    assert str(caught.value) == BAD_PODS[given]


def test_what_flat_mode_is_made_of_is_a_part_of_the_kernels() -> None:
    offer = Offer(WEB, PORTS, access=EVERYONE)
    before, after = gateway_of(FLAT, offer), gateway_of(FLAT, offer, POOL)
    assert kernel_parts(before) != kernel_parts(after)
    assert kernel_parts(after) == kernel_parts(gateway_of(FLAT, offer, POOL))


def test_a_machine_that_passes_nothing_on_says_so(tmp_path: Path) -> None:
    state = node_of(FLAT, OWN[0])
    files = {"ipv4/ip_forward": "0", "ipv6/conf/all/forwarding": "0", "ipv4/conf/all/rp_filter": "1"}
    for name, value in (files | {"ipv4/conf/ist00000a1/rp_filter": "0"}).items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(value)
    assert flat_faults(state, tmp_path) == (
        "E122 net.ipv4.ip_forward is 0, and pods' packets pass here in flat mode: set it to 1",
        "E122 net.ipv6.conf.all.forwarding is 0, and pods' packets pass here in flat mode: set it to 1",
        "E122 net.ipv4.conf.ist00000a1.rp_filter is 1 (strict), and pods' answers may come over another device: "
        "set it and that of all to 2",
    )
    (tmp_path / "ipv4/conf/ist00000a1/rp_filter").write_text("2")
    assert len(flat_faults(state, tmp_path)) == 2
    assert flat_faults(node_of(EU_PEER, OWN[0]), tmp_path) == ()


def test_a_sighting_among_the_peers_pods_is_not_tried() -> None:
    told = Sighted(member=FLAT.member, gateway=1, rail=1, endpoints=("10.2.0.9:51820", "203.0.113.1:4000"))
    tunnel = gateway_of(FLAT, told).tunnels[0]
    assert tunnel.peers[0].sighted == ("203.0.113.1:4000",)
    tunnel = gateway_of(EU_PEER, told).tunnels[0]
    assert tunnel.peers[0].sighted == told.endpoints


def test_a_gateway_that_takes_no_nodes_says_so_where_pods_are_on_other_machines() -> None:
    line = "E122 --inside is missing: pods of node na are not reached over this gateway in flat mode; give it"

    def said(*values: Peer | OwnNode, inside: str = "") -> bool:
        situation = structs.replace(GATEWAY, inside=inside, address="10.9.9.1")
        return line in intend(situation, keyed(SITE, *values)).problems

    there = member_node("na", "10.1.3.0/24")
    assert said(FLAT, there)
    assert not said(FLAT, there, inside="10.9.9.1:51900")
    assert not said(EU_PEER, there)
    assert not said(FLAT, member_node("na", "10.1.3.0/24", address="10.9.9.1"))


def test_a_device_that_carries_ipv4_has_an_ipv4_address() -> None:
    assert "192.0.0.8/32" in link_of(gateway_of(FLAT).tunnels[0]).addresses
    assert "192.0.0.8/32" not in link_of(gateway_of(EU_PEER).tunnels[0]).addresses


TOLD = structs.replace(FLAT, egress={"shop": ("10.2.200.0/28", "10.9.0.0/28"), "pay": ("10.2.201.0/28",), "x": ("10.9.9.0/28",)})  # fmt: skip
SPACES = (AccessRule(sources=(Source(EU.name, "shop"), Source("", "pay"), Source("", "other")), ports=("http",)),)


def test_a_namespace_is_known_by_egress_addresses_within_its_members_ranges() -> None:
    offer = Offer(WEB, PORTS, access=SPACES)
    for state in (gateway_of(TOLD, offer, POOL), node_of(TOLD, offer, POOL, pods=("10.1.3.0/24",))):
        assert state.flat is not None
        assert state.flat.peers[0].egress == (("pay", ("10.2.201.0/28",)), ("shop", ("10.2.200.0/28",)))
        table = table_of(state)
        held = {one.name: one.elements for one in table.sets if one.family == "ip"}
        tcp = (("10.1.3.7", "tcp", 8080),)
        assert held == {
            "open_ip_0": (), "open_ip_2": (),
            "open_ip_0_pay": tcp, "open_ip_2_pay": (), "open_ip_0_shop": (), "open_ip_2_shop": tcp,
        }  # fmt: skip
        rules = str(next(chain for chain in table.chains if chain.name == "flat_in"))
        assert rules.count("'10.2.200.0'") == rules.count("'10.2.201.0'") == 2 and "10.9." not in rules


def test_namespaces_that_nobody_named_make_no_rules() -> None:
    offer = Offer(WEB, PORTS, access=EVERYONE)
    assert table_of(gateway_of(TOLD, offer, POOL)) == table_of(gateway_of(FLAT, offer, POOL))


def test_a_nodes_pods_of_a_namespace_go_out_from_its_address_and_no_pod_has_one_itself() -> None:
    own = structs.replace(SITE, egress=("10.1.200.0/28", "fd00:1:0:e::/112"))
    here = Here(
        overlay="fd49:7374:0:1:0:1:0:7", egress={"shop": ("10.1.200.1", "fd00:1:0:e::1"), "pay": ("10.1.201.1",)}
    )
    pods = (
        Workload("shop", "b", ("10.1.3.7", "fd00:1:0:3::7")),
        Workload("pay", "a", ("10.1.3.9", "10.1.3.7", "fd00:1:0:3::9")),
        Workload("other", "a", ("10.1.3.10",)),
    )
    situation = structs.replace(NODE, device="ist00000a", pods=("10.1.3.0/24",))
    state = intend(situation, keyed(own, here, FLAT, OWN[0], *pods))
    sets = {one.name: one.elements for one in table_of(state).sets if isinstance(one, Map)}
    assert sets == {
        "egress_ip": (("10.1.3.7", "10.1.201.1"), ("10.1.3.9", "10.1.201.1")),
        "egress_ip6": (("fd00:1:0:3::7", "fd00:1:0:e::1"),),
    }
    chains = {chain.name: chain.rules for chain in table_of(state).chains}
    assert "@egress_ip" in str(chains["flat_from"][0]) and "netmap" in str(chains["flat_from"][1])
    assert "drop" in str(chains["flat_forward"][0]) and "10.1.200.0" in str(chains["flat_forward"][0])
    crossing = {chain.name: chain.rules for chain in table_of(gateway_of(FLAT, own=own)).chains}["forward"]
    assert "drop" in str(crossing[0]) and "10.1.200.0" in str(crossing[0])
