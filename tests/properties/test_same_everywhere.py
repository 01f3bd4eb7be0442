"""The same inputs give the same shares by the law itself, in a node's Envoy weights and in a DNS server."""

from gslb.compiler import Compiler
from gslb.steer import Standpoint, Steering
from gslb.zone import A
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from federation.law.case import case_of
from federation.law.shares import Case, Ruling, rule
from federation.model.handout import Candidate, Import, Place, Steered, Target
from federation.model.moves import Leaving, Shift
from federation.model.names import MemberName
from federation.model.policy import Policy, Portion, Price, Ramp
from federation.model.public import GlobalName
from federation.model.record import Endpoint
from federation.model.standing import Standing
from gateways.evidence import Evidence
from gateways.intent import intend
from tests.unit.gateways.test_intent import AP, CLIENT, EU, NODE, US
from tests.worlds.two_members import WEB, keyed, peer, site, web_import, web_pool

T = 1_700_000_000_000
OWN, EUROPE, ASIA = (MemberName(keys.name) for keys in (US, EU, AP))
REGION = {OWN: "us", EUROPE: "eu", ASIA: "ap"}
COST = {OWN: 0, EUROPE: 90, ASIA: 140}
HOST = "shop.example.test"


@st.composite
def worlds(draw: st.DrawFn) -> tuple[Import, dict[str, Standing]]:
    found = []
    for name in (OWN, EUROPE, ASIA):
        total = draw(st.integers(1, 8))
        ready = draw(st.integers(0, total))
        since = draw(st.sampled_from([0, T - 3_500, T - 60_000]))
        floor = draw(st.integers(0, ready * 1_000_000 // total))
        base = Candidate(member=name, region=REGION[name], cost=COST[name], ready=ready, total=total, ports=("http",))
        leaving = draw(st.sampled_from([None, None, Leaving(T - 4_000, 10), Leaving(T - 60_000, 10)]))
        said = {"tier": draw(st.sampled_from(["gold", "tin"]))}
        found.append(structs.replace(base, floor=floor if since else 0, since=since, leaving=leaving, labels=said))
    terms = ["us", "eu", "ap", "member/eu-central", "label/tier=gold", "@region"]
    order = draw(st.lists(st.sampled_from(terms), unique=True, max_size=3).map(tuple))
    drain = draw(st.lists(st.sampled_from(["us", "eu", "ap"]), unique=True, max_size=1).map(tuple))
    weights = draw(st.dictionaries(st.sampled_from(["us", "eu", "ap"]), st.integers(0, 9), max_size=3))
    policy = Policy(
        order=order,
        drain=drain,
        weights=weights,
        threshold=draw(st.sampled_from([0, 50])),
        ramp=Ramp(10, 1),
        residency=draw(st.sampled_from([(), (), ("us", "eu"), ("ap",)])),
        prices=draw(st.sampled_from([(), (Price("eu", "us", 80_000), Price("*", "*", 10_000))])),
        price_ms=1_000,
        canary=draw(st.sampled_from([None, Portion("ap", 1_000), Portion("label/tier=gold", 50_000)])),
        least=draw(st.sampled_from([{}, {"eu": 30_000}])),
        most=draw(st.sampled_from([{}, {"us": 600_000}])),
    )
    standing = st.builds(Standing, st.booleans(), st.sampled_from([0, T - 2_500]), st.sampled_from([0, 30]))
    paths: dict[str, Standing] = {name: draw(standing) for name in (EUROPE, ASIA)}
    return structs.replace(web_import(*found), policy=policy), paths


def at_node(item: Import, paths: dict[str, Standing]) -> dict[str, int]:
    """Weights of the cluster that a workload on a node of us-east uses."""
    peers = [peer(EU, "192.0.2.2:51820"), peer(AP, "192.0.2.3:51820")]
    own = next(c for c in item.candidates if c.member == OWN)
    states = ["ready"] * own.ready + ["unready"] * (own.total - own.ready)
    pool = web_pool(*(Endpoint(f"10.1.1.{n}", state) for n, state in enumerate(states, 1)))  # type: ignore[arg-type]
    ways = {keys.gateway_address: paths[MemberName(keys.name)] for keys in (EU, AP)}
    evidence = Evidence(ways, held={WEB: own}, now=T)
    state = intend(NODE, keyed(site(US), *peers, item, pool, CLIENT), evidence)
    cluster = next(c for c in state.clusters if c.identity is not None)
    return {locality.member: locality.weight for locality in cluster.localities if locality.weight}


def at_dns(item: Import, paths: dict[str, Standing]) -> Ruling:
    """The ruling of a DNS server for clients near us-east."""
    name = GlobalName(
        host=HOST, service=WEB, steering="weighted" if item.policy.weights else "steered", policy=item.policy
    )
    targets = tuple(Target(c, (f"198.51.100.{n}",)) for n, c in enumerate(item.candidates, 1))
    near = Place(
        member=OWN, number=1, region="us", costs=dict(COST), zones=("example.test",), nameservers=("192.0.2.1",)
    )
    table = Compiler().compile(keyed(site(US), near, Steered(name, "example.test", OWN, targets)), 1)
    return Steering(table, {(HOST, A): paths}).outcome(HOST, A, Standpoint(OWN), T).ruling


@settings(derandomize=True, deadline=None, max_examples=150)
@given(worlds())
def test_law_node_and_dns_agree(world: tuple[Import, dict[str, Standing]]) -> None:
    item, paths = world
    ruling = rule(item.candidates, Case(OWN, item.policy, paths, T))
    shares = {share.member: share.ppm for share in ruling.shares}
    assert at_node(item, paths) == shares
    if ruling.shares:
        assert at_dns(item, paths).shares == ruling.shares


@st.composite
def with_demand(draw: st.DrawFn) -> tuple[Import, dict[str, Standing]]:
    """The same with what only services have: demand, capacity, grants, shifts."""
    item, paths = draw(worlds())
    candidates = tuple(
        structs.replace(c, capacity=draw(st.sampled_from([0, 40])), grant=draw(st.sampled_from([-1, 0, 100])))
        for c in item.candidates
    )
    shift = Shift(service=WEB, source=OWN, to=EUROPE, ppm=300_000, since=T - 4_000, seconds=10)
    shifts = draw(st.sampled_from([(), (shift,)]))
    demand = draw(st.sampled_from([0, 60, 700]))
    return structs.replace(item, candidates=candidates, demand=demand, shifts=shifts), paths


@settings(derandomize=True, deadline=None, max_examples=150)
@given(with_demand())
def test_law_and_node_agree_on_demand_and_shifts(world: tuple[Import, dict[str, Standing]]) -> None:
    item, paths = world
    ruling = rule(item.candidates, case_of(item, OWN, "us", paths, T))
    assert at_node(item, paths) == {share.member: share.ppm for share in ruling.shares}
