"""Two members: `us-east` (number 1) uses `shop/web`, `eu-central` (number 2) offers it."""

from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import sha256

from msgspec import Struct

from federation.link.leaf import Leaf, leaf_of, new_key, signing_request
from federation.link.possession import wireguard_key
from federation.model.access import AccessRule, Source
from federation.model.confine import Confined
from federation.model.handout import (
    Candidate,
    ForeignBundle,
    Handout,
    HeadlessSlice,
    Here,
    Import,
    JwtBundle,
    Listener,
    Offer,
    OwnGateway,
    OwnNode,
    Peer,
    PeerGateway,
    Place,
    Pool,
    Site,
    Steered,
    Witness,
    Workload,
)
from federation.model.moves import Orders
from federation.model.names import MemberName, ServiceKey
from federation.model.record import Endpoint, Port
from federation.model.sighting import Sighted
from federation.model.spiffe import SpiffeId, account, trust_domain
from federation.trust.anchor import make_anchor
from federation.trust.issue import sign_leaf

DOMAIN = "acme.mesh"
WEB = ServiceKey("shop", "web")
EVERYONE = (AccessRule(sources=(Source(),)),)
REGIONS = {"us-east": "us", "eu-central": "eu", "ap-south": "ap"}
MEMBERS: dict[type[Struct], str] = {Peer: "peer", Place: "place", JwtBundle: "jwt"}
NUMBERS = {"us-east": 1, "eu-central": 2, "ap-south": 3}


class MemberKeys(Struct, frozen=True):
    """What a test needs of one member: its anchor with the key, and the seed of its gateway's WireGuard key."""

    name: str
    anchor_key: str
    anchor: str
    seed: bytes

    @property
    def number(self) -> int:
        return NUMBERS[self.name]

    @property
    def domain(self) -> str:
        return trust_domain(self.name, DOMAIN)

    @property
    def overlay(self) -> str:
        return f"fd49:7374:0:{self.number:x}::/64"

    @property
    def gateway_address(self) -> str:
        return f"fd49:7374:0:{self.number:x}::1"

    @property
    def wireguard(self) -> bytes:
        return wireguard_key(self.seed, self.name, "").private

    @property
    def public_key(self) -> bytes:
        return wireguard_key(self.seed, self.name, "").public

    def identity(self, namespace: str, name: str) -> SpiffeId:
        return account(self.domain, namespace, name)

    def leaf(self, identity: SpiffeId) -> Leaf:
        """A real leaf of this member's anchor."""
        return self.leaf_at(identity, datetime.now(UTC))

    def leaf_at(self, identity: SpiffeId, now: datetime) -> Leaf:
        key = new_key()
        chain = sign_leaf(self.anchor_key, self.anchor, signing_request(key, identity), self.domain, now)
        return leaf_of(identity, key, chain)


def seed_of(name: str) -> bytes:
    """The same for the same name in every run."""
    return sha256(f"wireguard {name}".encode()).digest()


def real(name: str) -> MemberKeys:
    """A member with a real anchor."""
    key, pem = make_anchor(trust_domain(name, DOMAIN), datetime.now(UTC))
    return MemberKeys(name, key, pem, seed_of(name))


def painted(name: str) -> MemberKeys:
    """A member whose anchor is only a word, so that renders are the same in every run."""
    return MemberKeys(name, "", f"-----anchor of {name}-----\n", seed_of(name))


def site(own: MemberKeys) -> Site:
    return Site(
        member=MemberName(own.name),
        number=own.number,
        domain=DOMAIN,
        region=REGIONS[own.name],
        anchor=own.anchor,
        overlay=own.overlay,
        gateways={name: 1 for name in ("g1", "eg", "wg", "us-east-gateway", "eu-central-gateway")},
    )


def peer(other: MemberKeys, endpoint: str, gateways: Sequence[PeerGateway] | None = None) -> Peer:
    lone = PeerGateway(id=1, key=other.public_key, endpoint=endpoint, overlay=other.gateway_address, port=15443)
    return Peer(
        member=MemberName(other.name),
        number=other.number,
        region=REGIONS[other.name],
        trust_domain=other.domain,
        anchor=other.anchor,
        overlay=other.overlay,
        gateways=(lone,) if gateways is None else tuple(gateways),
    )


def candidate(own: MemberKeys, ready: int, total: int, cost: int = 10) -> Candidate:
    return Candidate(
        member=MemberName(own.name), region=REGIONS[own.name], cost=cost, ready=ready, total=total, ports=("http",)
    )


def web_import(*candidates: Candidate, app_protocol: str = "http", listener: int = 16001) -> Import:
    port = Listener(name="http", port=80, protocol="TCP", app_protocol=app_protocol, listener=listener)
    return Import(service=WEB, kind="ClusterSetIP", addresses=("10.96.0.1",), ports=(port,), candidates=candidates)


def web_pool(*endpoints: Endpoint, az: str = "a", port: int = 8080) -> Pool:
    return Pool(service=WEB, az=az, ports=(Port("http", port),), endpoints=endpoints)


def web_offer(app_protocol: str = "http") -> Offer:
    return Offer(WEB, (Port("http", 80, "TCP", app_protocol),), access=EVERYONE)


def keyed(*values: Handout) -> dict[str, Struct]:
    """The handout of these values, under the keys that the controller gives them."""
    made: dict[str, Struct] = {}
    for value in values:
        made[_key(value, len(made))] = value
    return made


def _key(value: Handout, index: int) -> str:
    match value:
        case Site() | Here() | Orders():
            return type(value).__name__.lower()
        case Peer() | Place() | JwtBundle():
            return f"{MEMBERS[type(value)]}/{value.member}"
        case Pool() | HeadlessSlice():
            return f"{'pool' if isinstance(value, Pool) else 'headless'}/{value.service}/{value.az}/{index}"
        case Import() | Offer():
            return f"{type(value).__name__.lower()}/{value.service}"
        case OwnGateway() | OwnNode():
            return f"own-gateway/{value.id}" if isinstance(value, OwnGateway) else f"own-node/{value.node}"
        case Workload() | Confined():
            return _local_key(value)
        case Steered():
            return f"steered/{value.name.host}/{value.name.service}"
        case ForeignBundle():
            return f"foreign/{value.trust_domain}"
        case Sighted() | Witness():
            return _seen_key(value)


def _local_key(value: Workload | Confined) -> str:
    if isinstance(value, Workload):
        return f"workload/{value.namespace}/{value.account}"
    return f"confined/{value.namespace}/{value.name}"


def _seen_key(value: Sighted | Witness) -> str:
    if isinstance(value, Sighted):
        return f"sighted/{value.member}/{value.gateway}/{value.rail}"
    return f"witness/{value.observer}/{value.evidence.kind}/{value.evidence.about}/{value.evidence.host}"
