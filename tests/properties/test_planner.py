"""A node state that is kept up step by step is the one made from nothing, and so is what Envoy is offered."""

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Struct, structs

from federation.law.case import case_of
from federation.law.room import way_back, whole
from federation.model.access import AccessRule, Source
from federation.model.confine import Callee, Confined
from federation.model.flat import Image
from federation.model.handout import (
    Candidate,
    ForeignBundle,
    Here,
    Import,
    JwtBundle,
    Listener,
    Offer,
    OwnNode,
    Pool,
    Workload,
)
from federation.model.moves import Leaving, Shift
from federation.model.names import MemberName, ServiceKey
from federation.model.policy import Policy, Probe, Ramp
from federation.model.record import Endpoint, EndpointState, Port, Signed
from federation.model.sighting import Sighted
from federation.model.standing import Standing
from gateways.evidence import Evidence
from gateways.offering import Offering
from gateways.planner import Planner
from gateways.render.envoy.resources import Certificate, grouped
from gateways.state import NodeState, ServiceState, Situation
from gateways.xds.encode import Encoder
from tests.worlds.many_services import GATEWAY, NODE, OWN, Scale, gateway_of, handout, own_site, peer_of, service_of
from tests.worlds.two_members import real

T = 1_700_000_000_000
M1, M2 = MemberName("m1"), MemberName("m2")
MEMBERS = ("m1", "m2", "m3", "m4")
SERVICES = tuple(service_of(number) for number in range(3))
ANCHORS = tuple(real(name).anchor for name in ("eu-central", "ap-south"))
ENDPOINTS = ("203.0.113.9:51820", "203.0.113.9:4000")
ADDRESSES = ("10.1.16.0", "10.1.16.1", "10.1.16.10", "10.1.9.1")

APPS = (AccessRule(sources=(Source(M2, "apps"),)),)

Change = tuple[str, Struct | None]
service = st.sampled_from(SERVICES)
probes = st.sampled_from([None, Probe(), Probe(port=9)])


def maybe(values: st.SearchStrategy[Struct]) -> st.SearchStrategy[Struct | None]:
    return st.one_of(st.none(), values, values, values)


@st.composite
def sites(draw: st.DrawFn) -> Change:
    site = structs.replace(
        own_site(),
        region=draw(st.sampled_from(["r1", "r2"])),
        ledger=draw(st.integers(0, 2)),
        gateways=draw(st.sampled_from([{"g1": 1}, {"g1": 1}, {"g1": 2}, {}])),
        reachable=draw(st.sampled_from([(), ("10.1.0.0/16", "100.71.0.0/16")])),
        local=("10.1.16.0/24",),
        images=draw(st.sampled_from([(), (Image("10.1.16.0/24", "100.71.16.0/24"),)])),
        egress=draw(st.sampled_from([(), ("10.1.200.0/28",)])),
    )
    return "site", draw(st.sampled_from([site, site, site, None]))


@st.composite
def peers(draw: st.DrawFn) -> Change:
    number = draw(st.integers(2, 4))
    gateways = tuple(
        gateway_of(draw(st.sampled_from([number, number, 2])), i) for i in range(1, draw(st.integers(1, 3)))
    )
    peer = structs.replace(
        peer_of(number),
        gateways=gateways,
        anchor=draw(st.sampled_from(ANCHORS)),
        region=draw(st.sampled_from(["r1", "r2"])),
        overlay=draw(st.sampled_from([peer_of(number).overlay] * 3 + ["fd49:7374::/32", "nonsense"])),
        trust_domain=draw(st.sampled_from([peer_of(number).trust_domain] * 5 + ["thief.test"])),
        flat=draw(st.sampled_from([(), (), (f"10.2{number}.0.0/16",), ("10.22.0.0/15",), ("nonsense",)])),
        egress=draw(st.sampled_from([{}, {"apps": (f"10.2{number}.200.0/28",)}, {"apps": ("10.29.0.0/28",)}])),
    )
    return f"peer/m{number}", draw(maybe(st.just(peer)))


@st.composite
def workloads(draw: st.DrawFn) -> Change:
    name = draw(st.sampled_from(["w0", "w1"]))
    value = Workload("apps", name, tuple(draw(st.lists(st.sampled_from(ADDRESSES), max_size=2))))
    return f"workload/apps/{name}", draw(maybe(st.just(value)))


@st.composite
def candidates(draw: st.DrawFn, member: str) -> Candidate:
    total = draw(st.integers(1, 4))
    since = draw(st.sampled_from([0, 0, T - 3_500]))
    return Candidate(
        member=MemberName(member),
        region="r1",
        cost=draw(st.integers(0, 2)),
        ready=draw(st.integers(0, total)),
        total=total,
        ports=draw(st.sampled_from([("http",), ("http", "tcp")])),
        since=since,
        leaving=draw(st.sampled_from([None, None, Leaving(T - 500), Leaving(T - 2_000, 10)])),
        capacity=draw(st.sampled_from([0, 10])),
        grant=draw(st.sampled_from([-1, -1, 7])),
    )


@st.composite
def imports(draw: st.DrawFn) -> Change:
    key = draw(service)
    members = draw(st.lists(st.sampled_from(MEMBERS), unique=True))
    ports = (
        Listener(name="http", port=80, protocol="TCP", app_protocol="http", listener=draw(st.integers(16_000, 16_002))),
        Listener(name="tcp", port=81, protocol="TCP", app_protocol="", listener=draw(st.integers(16_002, 16_004))),
        Listener(name="udp", port=53, protocol="UDP", app_protocol="", listener=16_000),
    )
    value = Import(
        service=key,
        kind="ClusterSetIP",
        addresses=draw(st.sampled_from([("10.96.0.1",), ("fd00::1",), ()])),
        ports=ports[: draw(st.integers(1, 3))],
        candidates=tuple(draw(candidates(member)) for member in members),
        policy=Policy(
            ramp=Ramp(10, 1),
            probe=draw(probes),
            drain=draw(st.sampled_from([(), ("r2",)])),
            weights=draw(st.sampled_from([{}, {"r1": 1, "r2": 2}])),
        ),
        demand=draw(st.sampled_from([0, 15])),
        shifts=draw(
            st.sampled_from([(), (), (Shift(service=key, source=M1, to=M2, ppm=500_000, since=T, seconds=5),)])
        ),
    )
    return f"import/{key}", draw(maybe(st.just(value)))


@st.composite
def pools(draw: st.DrawFn) -> Change:
    key, az = draw(service), draw(st.sampled_from("ab"))
    states: st.SearchStrategy[EndpointState] = st.sampled_from(("ready", "ready", "unready", "draining"))
    endpoints = tuple(Endpoint(a, draw(states)) for a in draw(st.lists(st.sampled_from(ADDRESSES), unique=True)))
    ports = draw(
        st.sampled_from([(Port("http", 8080),), (Port("http", 8080), Port("tcp", 8081)), (Port("d", 53, "UDP"),)])
    )
    return f"pool/{key}/{az}/http", draw(maybe(st.just(Pool(service=key, az=az, ports=ports, endpoints=endpoints))))


@st.composite
def others(draw: st.DrawFn) -> Change:
    key = draw(service)
    ports = draw(st.sampled_from([(Port("http", 80, "TCP", "http"),), (Port("tcp", 81), Port("udp", 53, "UDP"))]))
    access = draw(st.sampled_from([(), (AccessRule(sources=(Source(),)),), (AccessRule(sources=(Source(M2),)),), APPS]))
    offered = f"offer/{key}", draw(maybe(st.just(Offer(key, ports, Policy(probe=draw(probes)), access))))
    name = draw(st.sampled_from(["outside.test", "m9.acme.mesh"]))
    kept = Confined(
        namespace="apps",
        name="kept",
        accounts=draw(st.sampled_from([(), ("w0",)])),
        services=draw(st.sampled_from([(), (Callee("ns0"),), (Callee(),)])),
        members=draw(st.sampled_from([(), ("m2",)])),
    )
    confined = "confined/apps/kept", draw(maybe(st.just(kept)))
    foreign = f"foreign/{name}", draw(maybe(st.just(ForeignBundle(name, "PEM", ()))))
    signed = "jwt/m2", draw(maybe(st.just(JwtBundle(MemberName("m2"), Signed(b"", b"")))))
    pods = draw(st.sampled_from([(), ("10.1.9.0/24",), ("100.71.16.0/24",), ("10.9.0.0/24",)]))
    address = draw(st.sampled_from(["", "10.1.0.1", "10.1.0.9"]))
    inner = draw(st.sampled_from("ab"))
    node = OwnNode(node=inner, key=inner.encode() * 32, overlay="fd49:7374:0:1:0:1:0:7", pods=pods, address=address)
    here = Here(egress=draw(st.sampled_from([{}, {"apps": ("10.1.200.1",)}, {"apps": ("10.1.200.2", "fd00::2")}])))
    return draw(
        st.sampled_from([offered, offered, foreign, signed, (f"own-node/{inner}", node), ("here", here), confined])
    )


@st.composite
def sightings(draw: st.DrawFn) -> Change:
    number, gateway, rail = draw(st.integers(2, 4)), draw(st.integers(1, 2)), draw(st.integers(1, 2))
    value = Sighted(
        member=MemberName(f"m{number}"), gateway=gateway, rail=rail, endpoints=(draw(st.sampled_from(ENDPOINTS)),)
    )
    return f"sighted/m{number}/{gateway}/{rail}", draw(maybe(st.just(value)))


class Seen(Struct, frozen=True):
    """What one step brings: changes of the handout, evidence, the certificates that are at hand."""

    changed: dict[str, Struct | None]
    ways: dict[str, Standing]
    mtus: dict[str, int]
    sick: frozenset[tuple[ServiceKey, str]]
    later: int
    lacking: frozenset[str]
    renewed: int


changes = st.one_of(
    sites(), peers(), peers(), sightings(), workloads(), imports(), imports(), imports(), pools(), pools(), others()
)
standings = st.builds(Standing, st.booleans(), st.sampled_from([0, T - 2_500]), st.sampled_from([0, 30]))
overlays = st.sampled_from([gateway_of(number, index).overlay for number in (2, 3, 4) for index in (1, 2)])
steps = st.builds(
    Seen,
    changed=st.lists(changes, max_size=3).map(dict),
    ways=st.dictionaries(overlays, standings, max_size=4),
    mtus=st.dictionaries(overlays, st.sampled_from([0, 1280, 1360, 1420]), max_size=4),
    sick=st.frozensets(st.tuples(service, st.sampled_from(ADDRESSES)), max_size=2),
    later=st.sampled_from([0, 400, 1_000, 12_000]),
    lacking=st.frozensets(st.sampled_from(["w0", "w1", "gateway"]), max_size=1),
    renewed=st.integers(0, 1),
)
SCALE = Scale(members=4, services=3, endpoints=8, each=4, workloads=2)
WHOLE = handout(SCALE) | {f"peer/m{n}": structs.replace(peer_of(n, 2), anchor=ANCHORS[0]) for n in (2, 3, 4)}


def certificates(state: NodeState, seen: Seen) -> dict[str, Certificate]:
    names = [str(identity) for identity in state.identities if identity.segments[-1] not in seen.lacking]
    return {name: Certificate(f"{name} {seen.renewed}", "key") for name in names}


def judged(state: ServiceState, item: Import | None, now: int) -> ServiceState:
    """With the candidate as the law sees it: of a return that is over nothing counts any more."""
    held = state.held
    if held is None or item is None:
        return state
    case = case_of(item, OWN, "", {}, now)
    if way_back(held, case) >= whole(held, case, held.ready, held.total):
        return structs.replace(state, held=structs.replace(held, floor=0, since=0))
    return state


def seen_by_the_law(state: NodeState, values: dict[str, Struct], now: int) -> NodeState:
    imports = {value.service: value for value in values.values() if isinstance(value, Import)}
    services = {key: judged(one, imports.get(key), now) for key, one in state.services.items()}
    return structs.replace(state, services=services)


def play(situation: Situation, found: list[Seen]) -> None:
    """Keep everything up step by step, and compare each step with what is made from nothing."""
    planner, offering, encoder = Planner(situation), Offering(), Encoder()
    values: dict[str, Struct] = {}
    now, before = T, encoder.encode({}).snapshot
    for number, seen in enumerate(found):
        now += seen.later
        changed = seen.changed if number else {**WHOLE, **seen.changed}
        values = {key: value for key, value in (values | changed).items() if value is not None}
        held = {key: one.held for key, one in planner.state.services.items() if one.held is not None}
        former = planner.step(changed, Evidence(seen.ways, seen.sick, now=now, mtus=seen.mtus))
        fresh = Planner(situation)
        fresh.step(values, Evidence(seen.ways, seen.sick, held, now, seen.mtus))
        state = planner.state
        assert seen_by_the_law(state, values, now) == seen_by_the_law(fresh.state, values, now)
        offering.note(former)
        leaves = certificates(state, seen)
        encoded = encoder.encode(offering.due(state, leaves))
        offering.done(state, leaves)
        assert encoded.snapshot == Encoder().encode(grouped(fresh.state, leaves)).snapshot
        assert encoded.changed == differing(before, encoded.snapshot)
        before = encoded.snapshot


def differing(before: object, now: object) -> set[tuple[str, str]]:
    assert isinstance(before, dict) and isinstance(now, dict)
    return {
        (kind, name)
        for kind in now
        for name in before[kind].keys() | now[kind].keys()
        if before[kind].get(name) != now[kind].get(name)
    }


@settings(derandomize=True, deadline=None, max_examples=150)
@given(st.lists(steps, min_size=2, max_size=8))
def test_a_node_planned_in_steps_is_one_planned_from_nothing(found: list[Seen]) -> None:
    play(structs.replace(NODE, pods=("10.1.16.0/28", "10.1.9.0/24")), found)


@settings(derandomize=True, deadline=None, max_examples=100)
@given(st.lists(steps, min_size=2, max_size=8))
def test_a_gateway_planned_in_steps_is_one_planned_from_nothing(found: list[Seen]) -> None:
    play(structs.replace(GATEWAY, inside="10.1.0.1:51900"), found)
