"""The record: what one member says of itself, as keyed resources under one signed head (design section 5)."""

from collections.abc import Container, Iterable
from typing import Literal

from msgspec import Struct, structs

from federation.model.flat import Egress, Flat
from federation.model.moves import Leaving, Shift
from federation.model.names import MemberName, ServiceKey
from federation.model.public import GlobalName
from federation.model.sighting import Sighting
from federation.model.wish import Wish

Protocol = Literal["TCP", "UDP", "SCTP"]
ServiceKind = Literal["ClusterSetIP", "Headless"]
EndpointState = Literal["ready", "unready", "draining"]
SLICE_ENDPOINTS_MAX = 10_000
"""Endpoints of one slice: about 500 KB of a message."""
EvidenceKind = Literal["link", "target"]
IpFamily = Literal["IPv4", "IPv6"]


class Port(Struct, frozen=True, order=True):
    """A service port (ServicePort) or, in a slice, the port that its endpoints listen on (EndpointPort)."""

    name: str
    port: int
    protocol: Protocol = "TCP"
    app_protocol: str = ""


HTTP = frozenset({"http", "http2", "grpc", "kubernetes.io/h2c", "kubernetes.io/ws"})
"""Values of appProtocol that are served as HTTP; every other one, https and wss included, is plain TCP."""


def is_http(app_protocol: str) -> bool:
    """True when requests, not only connections, are seen and balanced."""
    return app_protocol.lower() in HTTP


class Endpoint(Struct, frozen=True, order=True):
    """One backend: a pod's address and whether it takes new requests."""

    address: str
    state: EndpointState = "ready"
    hostname: str = ""


def family_of(address: str) -> IpFamily:
    """The family of an IP address in its text form."""
    return "IPv6" if ":" in address else "IPv4"


def with_unready(endpoints: Iterable[Endpoint], addresses: Container[str]) -> tuple[Endpoint, ...]:
    """These endpoints, those that are ready at one of the addresses as unready: a probe never makes one ready."""
    return tuple(
        structs.replace(e, state="unready") if e.state == "ready" and e.address in addresses else e for e in endpoints
    )


class About(Struct, frozen=True):
    """The member itself. Key `about`. While it is `leaving` nobody sends it requests that another can take. `labels`
    are for the order terms of policies.
    """

    member: MemberName
    region: str
    version: str
    leaving: Leaving | None = None
    labels: dict[str, str] = {}


class Spare(Struct, frozen=True, kw_only=True):
    """A second key of a gateway while its key is exchanged: links under it stand ready and carry only what still comes.
    Fields as in `Gateway`.
    """

    key: bytes
    endpoint: str
    rail: int
    proof: bytes = b""
    alternates: tuple[str, ...] = ()


class Gateway(Struct, frozen=True, kw_only=True):
    """A node that carries east-west traffic. Key `gateway/<id>`.

    `key` is the raw WireGuard public key, `proof` shows that the member holds it (`link.possession`), `endpoint` the
    underlay `ip:port`, `overlay` its address inside the member's overlay prefix, `port` the Envoy port on that address.
    `rail`, 1 to 8, is no other gateway's of this member: it meets a peer's gateway on rail r at its port + r - 1.
    `alternates` are further endpoints of it, in the order in which to try them; `relay` when it carries between others
    what they cannot send each other. `spare` is its other key, while it has two.
    """

    id: int
    node: str
    key: bytes
    endpoint: str
    overlay: str
    port: int
    proof: bytes = b""
    rail: int = 1
    alternates: tuple[str, ...] = ()
    relay: bool = False
    spare: Spare | None = None


ALTERNATES_MAX = 3
"""Further endpoints that a gateway may name: each costs its peers a turn while nothing is heard from it."""


class Traits(Struct, frozen=True, kw_only=True):
    """What a Service says of itself beside ports and endpoints, and an import repeats (KEP-1645).

    Defaults are those that an API server puts in. `affinity_seconds` is the timeout of ClientIP affinity, else 0.
    `labels` and `annotations` are those that the ServiceExport exports, and no others.
    """

    session_affinity: str = "None"
    affinity_seconds: int = 0
    families: tuple[IpFamily, ...] = ("IPv4",)
    internal_traffic_policy: str = "Cluster"
    traffic_distribution: str = ""
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}


class Export(Struct, frozen=True, kw_only=True):
    """A service offered to the federation. Key `export/<namespace>/<name>`.

    `hint` is what its owner says of how it is called (`model.wish.HINTED`), the capacity of its own endpoints first of
    all.
    """

    service: ServiceKey
    kind: ServiceKind = "ClusterSetIP"
    ports: tuple[Port, ...] = ()
    traits: Traits = Traits()
    hint: Wish = Wish()


class Numbers(Struct, frozen=True):
    """The admission numbers that the registrar gave the exports of one service: the lower is the older. Key
    `number/<namespace>/<name>`; counts only in the record of the member that the ledger calls the registrar.
    """

    service: ServiceKey
    numbers: dict[MemberName, int]


class Slice(Struct, frozen=True, kw_only=True):
    """The endpoints of one export in one member by availability zone. Key `slice/<namespace>/<name>/<az>/<ports>`."""

    service: ServiceKey
    az: str
    ports: tuple[Port, ...]
    endpoints: tuple[Endpoint, ...]

    def count(self, state: EndpointState) -> int:
        """How many endpoints are in this state."""
        return sum(1 for endpoint in self.endpoints if endpoint.state == state)


class Evidence(Struct, frozen=True, kw_only=True):
    """The owner of the record finds something of the member `about` down; it stands there as long as it is down.

    A `link` is our WireGuard links to it, a `target` its public address for the name `host`. `since` is the Unix
    second from which it was down. Keys `evidence/link/<about>` and `evidence/target/<about>/<host>`.
    """

    kind: EvidenceKind
    about: MemberName
    since: int
    host: str = ""


class Distance(Struct, frozen=True):
    """What it costs the owner of the record to reach the member `to`, in ms of round trip. Key `distance/<to>`."""

    to: MemberName
    cost: int


class Demand(Struct, frozen=True):
    """What the owner's clients ask of a service, in requests per second, and what it would have each of these members
    take of that. Key `demand/<namespace>/<name>`.
    """

    service: ServiceKey
    rps: int
    wants: dict[MemberName, int]


class Granted(Struct, frozen=True):
    """How many requests per second of a service the owner takes from each of these members. Key
    `grant/<namespace>/<name>`; only where it knows its own capacity.
    """

    service: ServiceKey
    grants: dict[MemberName, int]


class PublicName(Struct, frozen=True):
    """A public name that the owner of the record defines, in a zone granted to it. Key `name/<host>`."""

    name: GlobalName


class Signed(Struct, frozen=True):
    """Exact bytes and the signature over them (Ed25519, but for statements of an anchor): kept and forwarded as they
    came.
    """

    body: bytes
    signature: bytes


class JwtKeys(Struct, frozen=True):
    """The member's anchor's statement of the keys that sign its JWT-SVIDs (`link/statement.py`). Key `jwt`."""

    statement: Signed


class Rotation(Struct, frozen=True, kw_only=True):
    """What the owner of the record wants the ledger to say of its anchors (PEM). Key `rotation`.

    `by_anchor` and `by_next` prove that it holds the keys of the anchors that the ledger has and shall have (ECDSA with
    SHA-256 over `registrar.rotate`'s text); empty where there is none to prove.
    """

    anchor: str
    next_anchor: str
    by_anchor: bytes = b""
    by_next: bytes = b""


class Leave(Struct, frozen=True):
    """The owner of the record wants to be a member no more. `number` is its own, so that it outlives no rejoin.
    Key `leave`.
    """

    number: int


class Seen(Struct, frozen=True):
    """The ledger (its mark) whose anchors are in force at the owner's controller and all of its programs. Key `seen`.

    `behind` names up to BEHIND_MAX of the programs that hold it back.
    """

    mark: int
    behind: tuple[str, ...] = ()


BEHIND_MAX = 8
_BY_SERVICE: dict[type[Struct], str] = {Export: "export", Numbers: "number", Demand: "demand", Granted: "grant"}
_TO: dict[type[Struct], str] = {Distance: "distance", Flat: "flat"}
SINGLE: dict[type[Struct], str] = {
    About: "about",
    Rotation: "rotation",
    Leave: "leave",
    Seen: "seen",
    JwtKeys: "jwt",
}

Resource = (
    About
    | Gateway
    | Export
    | Numbers
    | Slice
    | Demand
    | Granted
    | Shift
    | Evidence
    | Distance
    | Sighting
    | Flat
    | Egress
    | PublicName
    | JwtKeys
    | Rotation
    | Leave
    | Seen
)


def key_of(resource: Resource) -> str:
    """The key under which a record holds this resource."""
    match resource:
        case About() | Rotation() | Leave() | Seen() | JwtKeys():
            return SINGLE[type(resource)]
        case Gateway():
            return f"gateway/{resource.id}"
        case Export() | Numbers() | Demand() | Granted():
            return f"{_BY_SERVICE[type(resource)]}/{resource.service}"
        case Slice():
            return f"slice/{resource.service}/{resource.az}/{ports_mark(resource)}"
        case Shift():
            return f"shift/{resource.service}/{resource.source}/{resource.to}"
        case Evidence() | Distance() | Sighting() | Flat():
            return _key_about(resource)
        case Egress():
            return f"egress/{resource.namespace}"
        case PublicName():
            return f"name/{resource.name.host}"


def _key_about(resource: Evidence | Distance | Sighting | Flat) -> str:
    match resource:
        case Evidence(kind="link"):
            return f"evidence/link/{resource.about}"
        case Evidence():
            return f"evidence/target/{resource.about}/{resource.host}"
        case Distance() | Flat():
            return f"{_TO[type(resource)]}/{resource.to}"
        case Sighting():
            return f"sighting/{resource.member}/{resource.gateway}/{resource.rail}"


def ports_mark(value: Slice) -> str:
    """Tells slices of one service and az apart whose endpoints listen on other ports."""
    return "+".join(f"{p.name}.{p.protocol}.{p.port}".lower() for p in value.ports) or "none"


class Head(Struct, frozen=True, kw_only=True):
    """What a member signs: the root of the hash tree over its resources, and its place in time.

    `epoch` is the incarnation (raised when the member lost its memory of `generation`).
    """

    member: MemberName
    epoch: int
    generation: int
    root: bytes

    @property
    def order(self) -> tuple[int, int]:
        """Records are ordered by (epoch, generation) and by nothing else."""
        return (self.epoch, self.generation)
