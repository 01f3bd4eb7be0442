"""Rails, the devices between nodes and gateways of a member, and what leads where."""

import msgspec
import pytest
from msgspec import structs

from federation.model.handout import Here, OwnGateway, OwnNode, Peer, PeerGateway, Site
from federation.model.names import MemberName
from federation.model.record import Endpoint
from federation.model.sighting import Sighted
from federation.model.standing import UNKNOWN, Standing
from gateways.evidence import NOTHING, Evidence
from gateways.intent import intend
from gateways.planner import Planner
from gateways.probe.counters import link_reports, silent_gateways, unreached
from gateways.probe.trips import NO_TRIP
from gateways.render.tables import table_of
from gateways.render.wireguard import Actual, Counters, device_of
from gateways.state import RELAY_PORT, NodeState, Tunnel, Way
from gateways.sync import Outcome
from gateways.tunnels import TABLE
from tests.unit.gateways.test_intent import EU, EU_PEER, GATEWAY, NODE, US, gateway
from tests.worlds.two_members import keyed, peer, site, web_offer, web_pool

DOWN = Standing(up=False, since=1)
PAIR = structs.replace(EU_PEER, gateways=(gateway(1, b"a" * 32), gateway(2, b"b" * 32)))
ONE, TWO = "fd49:7374:0:2::1", "fd49:7374:0:2::2"
PREFIX, NODES = "fd49:7374:0:2::/64", "fd49:7374:0:2:0:1::/96"
HERE = Here(overlay="fd49:7374:0:1:0:1:0:7")
OWN = tuple(
    OwnGateway(id=n, node=f"g{n}", key=bytes([n]) * 32, endpoint=f"10.1.9.{n}:51900", overlay=f"fd49:7374:0:1::{n}")
    for n in (1, 2)
)


def leads(tunnels: tuple[Tunnel, ...]) -> dict[str, list[tuple[str, int]]]:
    return {one.device: sorted((way.prefix, way.table) for way in one.ways) for one in tunnels}


def node(*values: Peer | OwnGateway | Here, evidence: Evidence = NOTHING, own: Site | None = None) -> NodeState:
    situation = structs.replace(NODE, device="ist00000a")
    return intend(situation, keyed(own or site(US), *values), evidence)


def gateway_of(
    *values: Peer | OwnNode | Sighted, rail: int = 1, inside: str = "", evidence: Evidence = NOTHING
) -> NodeState:
    own = structs.replace(site(US), rails={"g1": rail})
    return intend(structs.replace(GATEWAY, inside=inside), keyed(own, *values), evidence)


def carrier(state: NodeState) -> str:
    """The device that carries to the one gateway of the other member."""
    far = f"{EU.gateway_address}/128"
    (found,) = (one.device for one in state.tunnels for way in one.ways if way.prefix == far and not way.metric)
    return found


def test_a_member_with_one_gateway_has_one_route_and_no_table() -> None:
    assert leads(gateway_of(EU_PEER).tunnels) == {"ist0000000": [(PREFIX, 0)]}


def test_several_gateways_have_a_rail_each_and_answers_their_tables() -> None:
    first, second = gateway_of(PAIR).tunnels
    assert leads((first, second)) == {
        "ist0000000": [(NODES, TABLE + 1), (PREFIX, 0), (f"{ONE}/128", 0)],
        "ist0000001": [(NODES, TABLE + 2), (f"{TWO}/128", 0)],
    }
    assert (first.listen_port, second.listen_port) == (51820, 51821)


def test_a_rail_that_is_down_has_its_answers_taken_over() -> None:
    tunnels = gateway_of(PAIR, evidence=Evidence(ways={ONE: DOWN})).tunnels
    assert leads(tunnels) == {
        "ist0000000": [(f"{ONE}/128", 0)],
        "ist0000001": [(NODES, TABLE + 1), (NODES, TABLE + 2), (PREFIX, 0), (f"{TWO}/128", 0)],
    }


def test_while_all_rails_are_down_each_keeps_its_own() -> None:
    tunnels = gateway_of(PAIR, evidence=Evidence(ways={ONE: DOWN, TWO: DOWN})).tunnels
    assert leads(tunnels)["ist0000000"] == [(NODES, TABLE + 1), (NODES, TABLE + 2), (PREFIX, 0), (f"{ONE}/128", 0)]


def test_a_gateway_on_the_second_rail_meets_peers_at_their_second_port() -> None:
    (tunnel,) = gateway_of(EU_PEER, rail=2).tunnels
    assert [one.endpoint for one in tunnel.peers] == ["192.0.2.2:51821"]


def test_every_link_has_the_same_two_ends_seen_from_either() -> None:
    """Our device and port for theirs is their device and port for ours."""
    for ours in (1, 2, 8):
        for theirs in (1, 3, 8):
            far = structs.replace(gateway(1, b"a" * 32), rail=theirs)
            tunnels = gateway_of(structs.replace(EU_PEER, gateways=(far,)), rail=ours).tunnels
            link = next(one for one in tunnels if one.peers)
            assert link.listen_port == 51820 + theirs - 1
            assert link.peers[0].endpoint == f"192.0.2.1:{51820 + ours - 1}"


def test_packets_over_a_narrow_rail_are_small_and_over_the_other_they_are_not() -> None:
    first, second = gateway_of(PAIR, evidence=Evidence(mtus={ONE: 1328, TWO: 1420})).tunnels
    assert {way.mtu for way in first.ways} == {1328} and {way.mtu for way in second.ways} == {0}


def test_of_two_gateways_on_one_rail_the_later_is_left_out() -> None:
    same = structs.replace(PAIR, gateways=(gateway(1, b"a" * 32), structs.replace(gateway(2, b"b" * 32), rail=1)))
    assert gateway_of(same).problems == ("E121 peer eu-central: gateway 2 is on the rail of gateway 1; it is left out",)
    assert [one.gateway for tunnel in gateway_of(same).tunnels for one in tunnel.peers] == [1]


def test_a_gateway_beyond_the_eighth_carries_nothing_and_says_why() -> None:
    own = structs.replace(site(US), gateways={"g1": 9}, rails={"g0": 1})
    state = intend(GATEWAY, keyed(own, EU_PEER))
    assert not state.known and state.problems == (
        "E127 gateway g1: 8 gateways of this member carry already: enroll it when one of them has left",
    )


def test_a_gateway_takes_its_nodes_on_a_device_of_their_own() -> None:
    own = OwnNode(node="n1", key=b"n" * 32, overlay=HERE.overlay)
    twin = OwnNode(node="n2", key=b"n" * 32, overlay="fd49:7374:0:1:0:1:0:8")
    state = gateway_of(EU_PEER, own, twin, inside="10.1.0.1:51900")
    inside = state.tunnels[-1]
    assert (inside.device, inside.rail, inside.listen_port) == ("ist0000009", 0, 51900)
    assert [(one.node, one.allowed, one.endpoint) for one in inside.peers] == [("n1", (f"{HERE.overlay}/128",), "")]
    assert inside.ways == (Way("fd49:7374:0:1:0:1::/96"),)
    assert state.problems == ("E121 node n2: has the WireGuard key of node n1; it is left out",)


def test_a_node_has_a_device_to_each_own_gateway_and_one_way_to_each_of_theirs() -> None:
    state = node(PAIR, HERE, *OWN)
    assert [(one.device, one.address, one.listen_port) for one in state.tunnels] == [
        ("ist00000a1", HERE.overlay, 0),
        ("ist00000a2", HERE.overlay, 0),
    ]
    assert {one.peers[0].allowed for one in state.tunnels} == {("fd49:7374::/48",)}
    for address in (ONE, TWO):
        ways = [way for one in state.tunnels for way in one.ways if way.prefix == f"{address}/128"]
        assert len(ways) == 2 and [way.metric for way in ways].count(0) == 1
    assert sorted(state.ways) == sorted(f"{at}%ist00000a{n}" for at in (ONE, TWO) for n in (1, 2))


def test_a_node_takes_another_gateway_where_its_own_does_not_get_there() -> None:
    def over(evidence: Evidence) -> str:
        state = node(EU_PEER, HERE, *OWN, evidence=evidence)
        return carrier(state)

    mine = over(NOTHING)
    other = next(f"ist00000a{n}" for n in (1, 2) if f"ist00000a{n}" != mine)
    lost = {f"{EU.gateway_address}%{mine}": DOWN}
    assert over(Evidence(ways=lost)) == other
    assert over(Evidence(ways=lost | {f"{EU.gateway_address}%{other}": DOWN})) == mine


def test_the_law_knows_a_gateway_by_the_best_of_the_ways_to_it() -> None:
    lost = {f"{EU.gateway_address}%ist00000a1": DOWN, f"{EU.gateway_address}%ist00000a2": Standing()}
    far = gateway(1, b"a" * 32)
    assert node(structs.replace(EU_PEER, gateways=(far,)), HERE, *OWN, evidence=Evidence(ways=lost)).known


def test_nodes_spread_over_gateways_and_a_lost_one_moves_only_its_own() -> None:
    def chosen(evidence: Evidence) -> dict[str, str]:
        return {
            name: carrier(
                intend(
                    structs.replace(NODE, node=name, device="ist00000a"), keyed(site(US), EU_PEER, HERE, *OWN), evidence
                )
            )
            for name in (f"n{number}" for number in range(40))
        }

    before = chosen(NOTHING)
    after = chosen(Evidence(ways={f"{EU.gateway_address}%ist00000a1": DOWN}))
    kept = [name for name, device in before.items() if device.endswith("2")]
    assert 10 < len(kept) < 30
    assert all(after[name] == before[name] for name in kept) and set(after.values()) == {"ist00000a2"}


@pytest.mark.parametrize("own", [(), (structs.replace(OWN[0], endpoint="10.1.0.1:51900"), OWN[1])])
def test_a_node_without_gateways_elsewhere_has_no_device(own: tuple[OwnGateway, ...]) -> None:
    """The gateway on the same machine carries it."""
    here = structs.replace(NODE, address="10.1.0.1", device="ist00000a")
    state = intend(here, keyed(site(US), EU_PEER, HERE, *own))
    assert state.tunnels == () and list(state.ways) == [EU.gateway_address]


def test_a_peer_without_gateways_leads_nowhere() -> None:
    alone = peer(EU, "", ())
    assert leads(gateway_of(alone).tunnels) == {"ist0000000": []}
    assert leads(node(alone, HERE, *OWN).tunnels) == {f"ist00000a{n}": [(f"fd49:7374:0:1::{n}/128", 0)] for n in (1, 2)}


def test_an_endpoint_that_is_not_known_yet_stays_unknown() -> None:
    bare = PeerGateway(id=1, key=b"c" * 32, endpoint="", overlay=ONE, port=15443)
    (tunnel,) = gateway_of(structs.replace(EU_PEER, gateways=(bare,)), rail=2).tunnels
    assert [one.endpoint for one in tunnel.peers] == [""]


def test_a_node_says_which_own_gateway_does_not_answer() -> None:
    tunnels = node(EU_PEER, HERE, *OWN).tunnels
    first, second = (device_of(one) for one in tunnels)
    actual = {
        first.name: Actual(first, {OWN[0].key: Counters(handshake=1_000)}),
        second.name: Actual(second, {OWN[1].key: Counters()}),
    }
    line = "E190 gateway {0} of our own: no handshake at 10.1.9.{0}:51900; open that UDP port between the nodes"
    assert silent_gateways(tunnels, Outcome((), (), actual), 1_100) == (line.format(2),)
    assert silent_gateways(tunnels, Outcome((), (), actual), 1_200) == (line.format(1), line.format(2))
    assert silent_gateways(tunnels, Outcome((), (), actual, waiting=True), 1_200) == ()
    assert silent_gateways(gateway_of(EU_PEER).tunnels, Outcome((), ()), 1_200) == ()


def sighted(rail: int, *endpoints: str, gateway: int = 1, member: str = "eu-central") -> Sighted:
    return Sighted(member=MemberName(member), gateway=gateway, rail=rail, endpoints=endpoints)


def test_where_a_gateway_is_heard_counts_for_the_rail_on_which_it_speaks_with_us() -> None:
    """From another rail's socket it follows only where the NAT keeps ports: 51820 on rail 1 is 51821 on rail 2."""
    more = structs.replace(gateway(1, b"a" * 32), alternates=("10.9.0.1:51820", "[2001:db8::1]:7000"))
    behind = structs.replace(EU_PEER, gateways=(more,))
    told = (sighted(1, "203.0.113.1:51820", "203.0.113.1:4000"), sighted(2, "203.0.113.2:9", "203.0.113.3:9"))
    others = (sighted(1, "203.0.113.9:1", gateway=2), sighted(1, "203.0.113.9:1", member="ap-south"))
    for rail, alternates, seen in (
        (1, ("10.9.0.1:51820", "[2001:db8::1]:7000"), ("203.0.113.1:51820", "203.0.113.1:4000")),
        (2, ("10.9.0.1:51821", "[2001:db8::1]:7001"), ("203.0.113.2:9", "203.0.113.3:9", "203.0.113.1:51821")),
    ):
        (tunnel,) = gateway_of(behind, *told, *others, rail=rail).tunnels
        (found,) = tunnel.peers
        assert (found.alternates, found.sighted) == (alternates, seen)


def test_a_sighting_changes_devices_and_no_service() -> None:
    planner = Planner(GATEWAY)
    planner.step(keyed(site(US), EU_PEER, web_offer(), web_pool(Endpoint("10.1.1.1"))), NOTHING)
    before = planner.state
    seen = sighted(1, "203.0.113.1:4000")
    assert planner.step({"sighted/eu-central/1/1": seen}, NOTHING) == {}
    after = planner.state
    assert after.tunnels[0].peers[0].sighted == seen.endpoints
    assert after.services is before.services and after.gateway is before.gateway and after.ways == before.ways
    planner.step({"sighted/eu-central/1/1": None}, NOTHING)
    assert planner.state == before


def test_only_what_is_heard_elsewhere_than_the_record_says_is_told() -> None:
    more = structs.replace(gateway(1, b"a" * 32), alternates=("10.9.0.1:51820",))
    (tunnel,) = gateway_of(structs.replace(EU_PEER, gateways=(more,))).tunnels
    for heard, told in (("192.0.2.1:51820", ""), ("10.9.0.1:51820", ""), ("203.0.113.1:9", "203.0.113.1:9")):
        places = {(tunnel.device, more.key): heard}
        found = link_reports((tunnel,), {}, 0, lambda _: NO_TRIP, lambda _: UNKNOWN, {}, places)
        assert [one.heard for one in found.values()] == [told]


def frames(state: NodeState) -> str:
    """The rules about what is carried through a third member, as JSON."""
    (chain,) = (one for one in table_of(state).chains if one.name == "from_peers")
    return " ".join(text for rule in chain.rules if str(RELAY_PORT) in (text := msgspec.json.encode(rule).decode()))


def test_the_door_for_frames_is_shut_but_to_those_that_carry_and_open_on_one_that_carries() -> None:
    assert frames(gateway_of(EU_PEER)) == ""
    (lone,) = EU_PEER.gateways
    carries = structs.replace(EU_PEER, gateways=(structs.replace(lone, relay=True),))
    assert '"saddr"' in frames(gateway_of(carries)) and EU.gateway_address in frames(gateway_of(carries))
    own = intend(structs.replace(GATEWAY, relay=True), keyed(site(US), EU_PEER))
    assert frames(own) and '"saddr"' not in frames(own)


def test_a_gateway_that_others_hear_and_we_do_not_is_told_with_what_was_tried() -> None:
    told = (sighted(1, "203.0.113.1:4000"),)
    (tunnel,) = gateway_of(EU_PEER, *told).tunnels
    place = (tunnel.device, EU.public_key)
    outcome = Outcome((), (), lost=frozenset((place,)))
    begins = "E190 link to eu-central gateway 1: others hear it at 203.0.113.1:4000, we do not: a NAT changes ports, "
    assert unreached((tunnel,), outcome, {}) == (
        f"{begins}and no member that we reach carries between others (`--relay`)",
    )
    assert unreached((tunnel,), outcome, {place: "ap-south"}) == (
        f"{begins}and nothing comes through ap-south, which carries between others",
    )
    assert unreached((tunnel,), Outcome((), ()), {}) == ()
    (unheard,) = gateway_of(EU_PEER).tunnels
    assert unreached((unheard,), outcome, {}) == ()
