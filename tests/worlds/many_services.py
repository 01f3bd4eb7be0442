"""A handout of many members and many services, as one node agent or gateway of member `m1` gets it."""

from hashlib import sha256

from msgspec import Struct

from federation.model.handout import Candidate, Import, Listener, Offer, Peer, PeerGateway, Pool, Site, Workload
from federation.model.names import MemberName, ServiceKey
from federation.model.policy import Policy
from federation.model.record import Endpoint, EndpointState, Port
from federation.model.spiffe import trust_domain
from gateways.state import Situation
from tests.worlds.two_members import DOMAIN

OWN = "m1"
ANCHOR = "-----BEGIN CERTIFICATE-----\n" + "A" * 640 + "\n-----END CERTIFICATE-----\n"
NODE = Situation(node="n1", role="node", member=OWN, domain=DOMAIN, address="10.1.0.1")
GATEWAY = Situation(
    node="g1", role="gateway", member=OWN, domain=DOMAIN, address="10.1.0.1", device="ist0", private_key=b"k" * 32
)


class Scale(Struct, frozen=True):
    """How big: each service is offered by `each` of the `members`, the own one among them, with `endpoints` in all."""

    members: int = 100
    services: int = 1_000
    endpoints: int = 100
    each: int = 10
    workloads: int = 3

    @property
    def local(self) -> int:
        """Endpoints of one service in one member."""
        return self.endpoints // self.each


def handout(scale: Scale) -> dict[str, Struct]:
    """Site, peers, workloads, and for each service its import, its offer and its pool."""
    values: dict[str, Struct] = {"site": own_site()}
    values |= {f"peer/m{n}": peer_of(n) for n in range(2, scale.members + 1)}
    for number in range(scale.workloads):
        values[f"workload/apps/w{number}"] = Workload("apps", f"w{number}", (f"10.1.9.{number + 1}",))
    for number in range(scale.services):
        values[f"import/apps/s{number}"] = import_of(scale, number)
        values[f"offer/apps/s{number}"] = Offer(service_of(number), (Port("http", 80, "TCP", "http"),))
        values[f"pool/apps/s{number}/a/http"] = pool_of(scale, number)
    return values


def own_site() -> Site:
    return Site(
        member=MemberName(OWN),
        number=1,
        domain=DOMAIN,
        region="r1",
        anchor=ANCHOR,
        overlay="fd49:7374:1::/64",
        gateways={"g1": 1},
    )


def peer_of(number: int, gateways: int = 1) -> Peer:
    """Member number `number` with so many gateways."""
    return Peer(
        member=MemberName(f"m{number}"),
        number=number,
        region=f"r{number % 7}",
        trust_domain=trust_domain(f"m{number}", DOMAIN),
        anchor=ANCHOR,
        overlay=f"fd49:7374:0:{number:x}::/64",
        gateways=tuple(gateway_of(number, index) for index in range(1, gateways + 1)),
    )


def gateway_of(number: int, index: int) -> PeerGateway:
    return PeerGateway(
        id=index,
        key=sha256(f"{number}/{index}".encode()).digest(),
        endpoint=f"192.0.2.{number % 250}:51820",
        overlay=f"fd49:7374:0:{number:x}::{index:x}",
        port=15443,
        rail=index,
    )


def service_of(number: int) -> ServiceKey:
    return ServiceKey("apps", f"s{number}")


def offering(scale: Scale, number: int) -> list[int]:
    """The numbers of the members that offer this service."""
    return [1, *(2 + (number * 7 + step) % (scale.members - 1) for step in range(scale.each - 1))]


def import_of(scale: Scale, number: int, ready: int | None = None, policy: Policy | None = None) -> Import:
    """The import of one service; `ready` of the own endpoints are, else all."""
    own = scale.local if ready is None else ready
    candidates = tuple(
        Candidate(
            member=MemberName(f"m{member}"),
            region=f"r{member % 7}",
            cost=0 if member == 1 else 10 + member,
            ready=own if member == 1 else scale.local,
            total=scale.local,
            ports=("http",),
        )
        for member in offering(scale, number)
    )
    port = Listener(name="http", port=80, protocol="TCP", app_protocol="http", listener=16_000 + number)
    return Import(
        service=service_of(number),
        kind="ClusterSetIP",
        addresses=(f"10.96.{number // 250}.{number % 250 + 1}",),
        ports=(port,),
        candidates=candidates,
        policy=policy or Policy(),
    )


def pool_of(scale: Scale, number: int, ready: int | None = None) -> Pool:
    """The own endpoints of one service, the first `ready` of them ready, else all."""
    states: list[EndpointState] = ["ready"] * scale.local
    if ready is not None:
        states[ready:] = ["unready"] * (scale.local - ready)
    endpoints = tuple(
        Endpoint(f"10.1.{16 + number // 25}.{number % 25 * 10 + index}", state) for index, state in enumerate(states)
    )
    return Pool(service=service_of(number), az="a", ports=(Port("http", 8080),), endpoints=endpoints)
