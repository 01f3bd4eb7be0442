"""Handout and situation -> node state."""

import pytest
from msgspec import structs

from federation.model.handout import Peer, PeerGateway, Workload
from federation.model.policy import Panic, Policy
from federation.model.record import Endpoint
from gateways.intent import intend
from gateways.state import Situation
from tests.worlds.two_members import (
    DOMAIN,
    candidate,
    keyed,
    painted,
    peer,
    site,
    web_import,
    web_offer,
    web_pool,
)

US, EU, AP = painted("us-east"), painted("eu-central"), painted("ap-south")
NODE = Situation(node="n1", role="node", member="us-east", domain=DOMAIN, address="10.1.0.1")
GATEWAY = Situation(
    node="g1",
    role="gateway",
    member="us-east",
    domain=DOMAIN,
    address="10.1.0.1",
    device="ist000000",
    private_key=US.wireguard,
    public_key=US.public_key,
    listen_port=51820,
)
CLIENT = Workload("default", "client", ("10.1.0.10",))
EU_PEER = peer(EU, "192.0.2.2:51820")


def gateway(number: int, key: bytes) -> PeerGateway:
    return PeerGateway(
        id=number,
        key=key,
        endpoint=f"192.0.2.{number}:51820",
        overlay=f"fd49:7374:0:2::{number}",
        port=15443,
        rail=number,
    )


def weights(values: object) -> dict[str, int]:
    state = intend(NODE, values)  # type: ignore[arg-type]
    cluster = next(c for c in state.clusters if c.identity is not None)
    return {locality.member: locality.weight for locality in cluster.localities}


def test_before_the_first_handout_the_state_is_unknown() -> None:
    state = intend(NODE, {})
    assert not state.known and state.problems == ("E190 no handout yet",)


def test_the_order_of_keys_does_not_matter() -> None:
    values = keyed(site(US), EU_PEER, web_import(candidate(EU, 1, 1)), CLIENT)
    assert intend(NODE, values) == intend(NODE, dict(reversed(values.items())))


def test_a_service_without_local_endpoints_goes_to_the_other_member_whole() -> None:
    assert weights(keyed(site(US), EU_PEER, web_import(candidate(EU, 1, 1)), CLIENT)) == {"eu-central": 1_000_000}


def test_two_of_four_ready_keep_seventy_per_cent_at_home() -> None:
    pool = web_pool(*(Endpoint(f"10.1.1.{i}", "ready" if i < 2 else "unready") for i in range(4)))
    web = web_import(candidate(US, 2, 4, cost=0), candidate(EU, 4, 4, cost=90))
    assert weights(keyed(site(US), EU_PEER, pool, web, CLIENT)) == {"us-east": 700_000, "eu-central": 300_000}


def test_a_member_without_gateways_gets_no_locality_and_no_share() -> None:
    dead = structs.replace(EU_PEER, gateways=())
    pool = web_pool(Endpoint("10.1.1.1"), Endpoint("10.1.1.2", "unready"))
    web = web_import(candidate(US, 1, 2, cost=0), candidate(EU, 4, 4, cost=90))
    assert weights(keyed(site(US), dead, pool, web, CLIENT)) == {"us-east": 1_000_000}


def test_an_empty_service_keeps_its_cluster() -> None:
    state = intend(NODE, keyed(site(US), EU_PEER, web_import(), CLIENT))
    assert [cluster.localities for cluster in state.clusters] == [()]
    assert len(state.listeners) == 1


def test_traffic_to_a_port_only_goes_where_the_port_is() -> None:
    other = structs.replace(candidate(EU, 1, 1), ports=("grpc",))
    assert weights(keyed(site(US), EU_PEER, web_import(other), CLIENT)) == {}


def test_unready_and_draining_endpoints_are_kept_with_their_state() -> None:
    pool = web_pool(Endpoint("10.1.1.1"), Endpoint("10.1.1.2", "unready"), Endpoint("10.1.1.3", "draining"))
    state = intend(NODE, keyed(site(US), pool, web_import(candidate(US, 1, 3)), CLIENT))
    assert [host.state for host in state.clusters[0].localities[0].hosts] == ["ready", "unready", "draining"]


def test_an_address_in_two_pools_is_listed_once_with_its_best_state() -> None:
    pools = (web_pool(Endpoint("10.1.1.1", "unready"), az="a"), web_pool(Endpoint("10.1.1.1"), az="b"))
    state = intend(NODE, keyed(site(US), *pools, web_import(candidate(US, 1, 1)), CLIENT))
    assert [host.state for host in state.clusters[0].localities[0].hosts] == ["ready"]


def test_a_source_without_identity_reaches_local_endpoints_or_nothing() -> None:
    alone = keyed(site(US), EU_PEER, web_import(candidate(EU, 1, 1)))
    assert intend(NODE, alone).listeners[0].default == ""
    local = keyed(site(US), EU_PEER, web_pool(Endpoint("10.1.1.1")), web_import(candidate(US, 1, 1)))
    state = intend(NODE, local)
    assert state.listeners[0].default == "out/shop/web/http/local"
    assert [locality.member for locality in state.clusters[0].localities] == ["us-east"]


def test_an_address_that_two_workloads_claim_belongs_to_the_first() -> None:
    thief = Workload("zoo", "thief", ("10.1.0.10", "10.1.0.12"))
    state = intend(NODE, keyed(site(US), EU_PEER, web_import(candidate(EU, 1, 1)), CLIENT, thief))
    assert [chain.sources for chain in state.listeners[0].chains] == [("10.1.0.10",), ("10.1.0.12",)]
    assert state.problems[0].startswith("E105 spiffe://us-east.acme.mesh/ns/zoo/sa/thief: address 10.1.0.10")


def test_two_ports_cannot_share_a_listener() -> None:
    second = structs.replace(web_import(), service=structs.replace(web_import().service, name="wiki"))
    state = intend(NODE, keyed(site(US), web_import(), second, CLIENT))
    assert len(state.listeners) == 1
    assert state.problems == ("E121 out/shop/wiki/http: listener port 16001 belongs to out/shop/web/http",)


def test_a_clusterset_ip_of_the_other_family_is_not_captured() -> None:
    web = structs.replace(web_import(), addresses=("fd00::10",))
    state = intend(NODE, keyed(site(US), web, CLIENT))
    assert state.captures == () and state.problems[0].startswith("E122 service shop/web")


def test_every_gateway_owns_the_whole_prefix_each_on_a_rail_of_its_own() -> None:
    (lone,) = intend(GATEWAY, keyed(site(US), EU_PEER)).tunnels
    assert [p.allowed for p in lone.peers] == [("fd49:7374:0:2::/64",)]
    pair = structs.replace(EU_PEER, gateways=(gateway(1, b"a" * 32), gateway(2, b"b" * 32)))
    both = intend(GATEWAY, keyed(site(US), pair)).tunnels
    assert [(t.device, t.rail, [p.allowed for p in t.peers]) for t in both] == [
        ("ist0000000", 1, [("fd49:7374:0:2::/64",)]),
        ("ist0000001", 2, [("fd49:7374:0:2::/64",)]),
    ]


def refused(bad: Peer) -> tuple[str, ...]:
    state = intend(GATEWAY, keyed(site(US), EU_PEER, bad))
    assert [p.member for tunnel in state.tunnels for p in tunnel.peers] == ["eu-central"]
    return state.problems


def test_the_later_of_two_owners_of_a_prefix_is_refused_and_the_rest_goes_on() -> None:
    thief = structs.replace(peer(AP, "192.0.2.3:51820"), overlay="fd49:7374:0:2::/80", gateways=())
    assert "overlaps fd49:7374:0:2::/64" in refused(thief)[0]


def test_a_prefix_of_the_own_member_is_refused() -> None:
    assert refused(structs.replace(peer(AP, "x"), overlay=US.overlay, gateways=()))[0].startswith("E101 peer ap-south")


def test_a_gateway_outside_its_members_prefix_is_refused() -> None:
    thief = structs.replace(
        peer(AP, "x"), gateways=(PeerGateway(id=1, key=b"c" * 32, endpoint="", overlay="fd49:7374:0:2::9", port=1),)
    )
    assert refused(thief)[0].startswith("E121 peer ap-south: gateway address fd49:7374:0:2::9")


def test_another_members_trust_domain_is_refused() -> None:
    assert refused(structs.replace(peer(AP, "x"), trust_domain=EU.domain))[0].startswith("E107 peer ap-south")


def test_another_members_wireguard_key_is_refused() -> None:
    lone = PeerGateway(id=1, key=EU.public_key, endpoint="", overlay=AP.gateway_address, port=15443)
    assert refused(peer(AP, "", (lone,)))[0].startswith("E121 peer ap-south: a WireGuard key")


def test_a_gateway_forwards_to_local_endpoints_only() -> None:
    values = keyed(site(US), EU_PEER, web_offer(), web_pool(Endpoint("10.1.1.1")), web_import(candidate(EU, 1, 1)))
    state = intend(GATEWAY, values)
    assert [cluster.name for cluster in state.clusters] == ["in/shop/web/http"]
    assert [locality.member for locality in state.clusters[0].localities] == ["us-east"]
    assert state.gateway is not None and [o.sni for o in state.gateway.offered] == ["http.web.shop"]
    assert [a.prefix for a in state.gateway.admitted] == ["spiffe://eu-central.acme.mesh/"]


@pytest.mark.parametrize(
    ("panic", "wanted"),
    [
        (Panic("open"), ["ready", "unready"]),
        (Panic("open", 51), ["ready", "ready"]),
        (Panic("closed", 51), ["ready", "unready"]),
    ],
)
def test_a_gateway_opens_to_all_as_its_own_members_policy_says(panic: Panic, wanted: list[str]) -> None:
    offer = structs.replace(web_offer(), policy=Policy(panic=panic))
    pool = web_pool(Endpoint("10.1.1.1"), Endpoint("10.1.1.2", "unready"), Endpoint("10.1.1.3", "draining"))
    (cluster,) = intend(GATEWAY, keyed(site(US), EU_PEER, offer, pool)).clusters
    assert [host.state for host in cluster.localities[0].hosts] == [*wanted, "draining"]


def test_a_gateway_without_anybody_ready_opens_when_the_policy_does() -> None:
    offer = structs.replace(web_offer(), policy=Policy(panic=Panic("open")))
    (cluster,) = intend(GATEWAY, keyed(site(US), EU_PEER, offer, web_pool(Endpoint("10.1.1.2", "unready")))).clusters
    assert [host.state for host in cluster.localities[0].hosts] == ["ready"]


def test_a_pool_without_an_offer_is_not_reachable() -> None:
    state = intend(GATEWAY, keyed(site(US), EU_PEER, web_pool(Endpoint("10.1.1.1"))))
    assert state.gateway is None and state.clusters == ()


def test_a_gateway_has_the_address_of_its_id() -> None:
    second = structs.replace(site(US), gateways={"g0": 1, "g1": 2})
    state = intend(GATEWAY, keyed(second, EU_PEER))
    assert [state.overlay, *(tunnel.address for tunnel in state.tunnels)] == ["fd49:7374:0:1::2"] * 2


def test_a_gateway_without_an_id_touches_nothing() -> None:
    state = intend(GATEWAY, keyed(structs.replace(site(US), gateways={}), EU_PEER))
    assert not state.known
    assert state.problems == ("E190 g1 has no gateway id yet",)
