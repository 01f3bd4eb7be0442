"""What policies make of one import: copies, fallback, panic, reasons, and what of it a listener is told."""

from typing import Any

import pytest
from msgspec import structs

from federation.model.handout import Here, Peer
from federation.model.names import MemberName
from federation.model.policy import Affinity, Panic, Policy, Portion
from federation.model.record import Endpoint
from federation.model.resilience import Resilience, Timeouts
from gateways.intent import intend
from gateways.state import Mirror, NodeState
from tests.unit.gateways.test_intent import AP, CLIENT, EU, EU_PEER, NODE, US
from tests.worlds.two_members import DOMAIN, candidate, keyed, peer, site, web_import, web_pool

OURS = "out/shop/web/http/ns/default/sa/client"
AP_PEER = peer(AP, "192.0.2.3:51820")


def planned(policy: Policy, *endpoints: Endpoint, app_protocol: str = "http", eu: int = 2) -> NodeState:
    """shop/web at home, in eu-central (`eu` of 2 ready) and in ap-south."""
    ready = sum(one.state == "ready" for one in endpoints)
    web = web_import(
        candidate(US, ready, len(endpoints), 0),
        candidate(EU, eu, 2, 90),
        candidate(AP, 0 if eu == 0 else 2, 2, 200),
        app_protocol=app_protocol,
    )
    values = keyed(site(US), EU_PEER, AP_PEER, structs.replace(web, policy=policy), web_pool(*endpoints), CLIENT)
    return intend(NODE, values)


def of_cluster(state: NodeState, name: str = OURS) -> Any:
    return next(cluster for cluster in state.clusters if cluster.name == name)


def route(state: NodeState, name: str = OURS) -> Any:
    [service] = state.services.values()
    return next(one for one in service.routes if one.name == name)


def reasons(state: NodeState) -> dict[str, str]:
    return {one.member: one.reason for one in of_cluster(state).localities}


HOME = Endpoint("10.1.1.1")


@pytest.mark.parametrize(
    ("policy", "wanted"),
    [
        (Policy(), {"us-east": "local", "eu-central": "standby", "ap-south": "standby"}),
        (Policy(weights={"us": 1, "eu": 1}), {"us-east": "weights", "eu-central": "weights", "ap-south": "standby"}),
        (
            Policy(canary=Portion("eu", 1_000)),
            {"us-east": "local", "eu-central": "canary", "ap-south": "standby"},
        ),
        (
            Policy(drain=("us",), order=("ap",)),
            {"us-east": "", "eu-central": "standby", "ap-south": "order"},
        ),
        (Policy(drain=("us",)), {"us-east": "", "eu-central": "cost", "ap-south": "standby"}),
        (
            Policy(residency=("us",)),
            {"us-east": "local", "eu-central": "", "ap-south": ""},
        ),
    ],
)
def test_each_locality_says_why_it_gets_requests(policy: Policy, wanted: dict[str, str]) -> None:
    assert reasons(planned(policy, HOME)) == wanted


def test_copies_go_to_whom_the_term_names_through_a_cluster_of_their_own() -> None:
    state = planned(Policy(mirror=Portion("member/eu-central", 250_000)), HOME)
    copy = of_cluster(state, f"{OURS}/mirror")
    assert [(one.member, one.weight, one.reason) for one in copy.localities] == [("eu-central", 2, "mirror")]
    assert copy.identity == of_cluster(state).identity and copy.sni == "http.web.shop"
    assert route(state).mirror == Mirror(copy.name, 250_000)
    assert route(state, "out/shop/web/http/local").mirror is None


@pytest.mark.parametrize(
    ("portion", "protocol"),
    [(Portion("member/nobody", 250_000), "http"), (Portion("eu", 0), "http"), (Portion("eu", 250_000), "")],
)
def test_no_copies_to_nobody_of_nothing_and_of_connections(portion: Portion, protocol: str) -> None:
    state = planned(Policy(mirror=portion), HOME, app_protocol=protocol)
    assert not [cluster.name for cluster in state.clusters if cluster.name.endswith("/mirror")]


def test_copies_do_not_leave_the_residency() -> None:
    policy = Policy(mirror=Portion("member/ap-south", 250_000), residency=("us", "eu"))
    assert not [one.name for one in planned(policy, HOME).clusters if one.name.endswith("/mirror")]


SPARE = Policy(panic=Panic(action="fallback", fallback="spare"))


def test_a_fallback_takes_the_requests_by_the_route_and_connections_by_the_listener() -> None:
    sick = Endpoint("10.1.1.1", "unready")
    state = planned(SPARE, sick, eu=0)
    assert route(state).cluster == "out/shop/spare/http/ns/default/sa/client"
    assert route(state, "out/shop/web/http/local").cluster == "out/shop/spare/http/local"
    assert state.listeners[0].chains[0].cluster == OURS
    connections = planned(SPARE, sick, eu=0, app_protocol="").listeners[0]
    assert connections.chains[0].cluster == "out/shop/spare/http/ns/default/sa/client"
    assert connections.default == "out/shop/spare/http/local"


def test_without_need_the_fallback_gets_nothing() -> None:
    state = planned(SPARE, HOME)
    assert route(state).cluster == OURS
    assert planned(SPARE, HOME, app_protocol="").listeners[0].chains[0].cluster == OURS


def test_in_an_open_panic_sick_endpoints_count_as_ready_and_leaving_ones_do_not() -> None:
    pods = (Endpoint("10.1.1.1", "unready"), Endpoint("10.1.1.2", "draining"))
    state = planned(Policy(panic=Panic(action="open"), residency=("us",)), *pods)
    [home] = [one for one in of_cluster(state).localities if one.member == "us-east"]
    assert [host.state for host in home.hosts] == ["ready", "draining"]
    assert (home.weight, home.reason) == (1_000_000, "panic")


def zoned(own: str, policy: Policy, a: int, b: int) -> list[tuple[str, str, int, int]]:
    """Member, zone, weight and place of each locality, for a node in zone `own` of two, with one agent in each."""
    pools = [
        web_pool(*(Endpoint(f"10.1.{number}.{i}") for i in range(count)), az=zone)
        for number, (zone, count) in enumerate((("a", a), ("b", b)))
        if count
    ]
    web = structs.replace(web_import(candidate(US, a + b, a + b, 0), candidate(EU, 2, 2, 90)), policy=policy)
    here = structs.replace(site(US), zones={"a": 1, "b": 1})
    state = intend(NODE, keyed(here, Here(own), EU_PEER, web, *pools, CLIENT))
    return [(one.member, one.zone, one.weight, one.standby) for one in of_cluster(state).localities]


AZ = Policy(order=("@az",))


@pytest.mark.parametrize(
    ("own", "policy", "endpoints", "wanted"),
    [
        ("a", Policy(), (2, 2), [("us-east", "", 1_000_000, 0), ("eu-central", "", 0, 1)]),
        ("a", AZ, (2, 2), [("us-east", "a", 1_000_000, 0), ("us-east", "b", 0, 1), ("eu-central", "", 0, 2)]),
        ("b", AZ, (3, 1), [("us-east", "a", 500_000, 0), ("us-east", "b", 500_000, 0), ("eu-central", "", 0, 1)]),
        ("a", AZ, (0, 2), [("us-east", "b", 1_000_000, 0), ("eu-central", "", 0, 1)]),
        ("", AZ, (1, 3), [("us-east", "a", 250_000, 0), ("us-east", "b", 750_000, 0), ("eu-central", "", 0, 1)]),
    ],
)
def test_the_own_zone_first_then_the_other_zones_then_other_members(
    own: str, policy: Policy, endpoints: tuple[int, int], wanted: list[tuple[str, str, int, int]]
) -> None:
    assert zoned(own, policy, *endpoints) == wanted


POLICY = Policy(resilience=Resilience(timeouts=Timeouts(request=5, idle=7)), affinity=Affinity())


def test_a_policy_changes_no_listener_of_http() -> None:
    """So that none of its connections is drained (`e2e/test_envoy_requests.py` sees that on Envoy)."""
    assert planned(POLICY, HOME).listeners == planned(Policy(), HOME).listeners
    assert planned(POLICY, HOME, app_protocol="").listeners != planned(Policy(), HOME, app_protocol="").listeners


def test_of_many_members_the_nearest_stand_by() -> None:
    """Envoy takes priorities up to 128, and refuses the whole load assignment of a service with one more."""
    peers = [another(number) for number in range(1, 131)]
    there = (structs.replace(candidate(AP, 2, 2, 10 + one.number), member=one.member) for one in peers)
    web = web_import(candidate(US, 1, 1, 0), *there)
    state = intend(NODE, keyed(site(US), *peers, web, web_pool(HOME), CLIENT))
    standbys = {one.standby: one.member for one in of_cluster(state).localities if one.standby}
    assert standbys == {place: f"m{place}" for place in range(1, 17)}


def another(number: int) -> Peer:
    name, prefix = f"m{number}", f"fd00:{number:x}:"
    gateway = structs.replace(AP_PEER.gateways[0], overlay=f"{prefix}:1", key=number.to_bytes(32))
    return structs.replace(
        AP_PEER,
        member=MemberName(name),
        number=number,
        trust_domain=f"{name}.{DOMAIN}",
        overlay=f"{prefix}:/64",
        gateways=(gateway,),
    )
