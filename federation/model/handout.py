"""Handouts: the keyed resources that a controller gives to its node agents and DNS servers (design section 3).

They carry the law's inputs, so that a node decides by itself while every controller is dead.
"""

from typing import Literal

from msgspec import Struct

from federation.model.access import AccessRule
from federation.model.confine import Confined
from federation.model.flat import Image
from federation.model.moves import Leaving, Orders, Shift
from federation.model.names import MemberName, ServiceKey
from federation.model.policy import Policy
from federation.model.public import GlobalName
from federation.model.record import Endpoint, Evidence, Port, Protocol, ServiceKind, Signed, Spare
from federation.model.sighting import Sighted
from federation.model.tokens import JwtKey

Role = Literal["gateway", "node", "dns", "xds"]


class Site(Struct, frozen=True, kw_only=True):
    """The member that the reader works for. Key `site`. `overlay` is the member's prefix.

    `anchor` holds the PEM of every anchor to trust for it: two while it is rotated. `issuer` is the key id (hex) of the
    anchor that signs now: a leaf of another is to be renewed at once. `ledger` is the mark of the ledger that this
    handout's anchors were taken from.
    `gateways` maps the node names of the member's own gateways to their ids: gateway i has the i-th overlay address.
    `rails` maps them to their rails, by `overlay.rail_key`: one that has two keys has two.
    `zones` counts the member's node agents by availability zone. `reachable` and `local` are its ranges in the ledger,
    `images` how addresses in the local ones are seen by flat peers, `egress` from where namespaces' packets go to them.
    """

    member: MemberName
    number: int
    domain: str
    region: str
    anchor: str
    overlay: str
    gateways: dict[str, int] = {}
    rails: dict[str, int] = {}
    issuer: str = ""
    ledger: int = 0
    zones: dict[str, int] = {}
    reachable: tuple[str, ...] = ()
    local: tuple[str, ...] = ()
    images: tuple[Image, ...] = ()
    egress: tuple[str, ...] = ()


class PeerGateway(Struct, frozen=True, kw_only=True):
    """One gateway of another member; fields as in `record.Gateway`."""

    id: int
    key: bytes
    endpoint: str
    overlay: str
    port: int
    rail: int = 1
    alternates: tuple[str, ...] = ()
    relay: bool = False
    spare: Spare | None = None


class OwnGateway(Struct, frozen=True, kw_only=True):
    """A gateway of the reader's own member, as its nodes reach it: `endpoint` is an `ip:port` (UDP) of the member's own
    network, of the key in `slot`. Key `own-gateway/<id>`. `spare_*`: those of its other key, while it has two.
    """

    id: int
    node: str
    key: bytes
    endpoint: str
    overlay: str
    slot: int = 0
    spare_key: bytes = b""
    spare_endpoint: str = ""


class OwnNode(Struct, frozen=True, kw_only=True):
    """A node of the reader's own member: its raw WireGuard public key and its address in the overlay. Key
    `own-node/<name>`. `pods` are its pods' addresses as other members see them, `address` where its agent stands.
    """

    node: str
    key: bytes
    overlay: str
    pods: tuple[str, ...] = ()
    address: str = ""


class Here(Struct, frozen=True):
    """Where the reader itself stands: its availability zone ("": unknown), and of a node its address in the member's
    overlay prefix, with the ranges of its pods where its agent was told none. `egress` are by namespace the addresses
    from which this node's pods of it go to flat peers. Key `here`; each program has its own.
    """

    az: str = ""
    overlay: str = ""
    pods: tuple[str, ...] = ()
    egress: dict[str, tuple[str, ...]] = {}


class Peer(Struct, frozen=True, kw_only=True):
    """Another member: its anchors (as in `Site`), prefix and gateways. Key `peer/<member>`. `flat` are its
    pods' ranges while flat mode is in force with it, `egress` by namespace those that its packets come from.
    """

    member: MemberName
    number: int
    region: str
    trust_domain: str
    anchor: str
    overlay: str
    gateways: tuple[PeerGateway, ...] = ()
    flat: tuple[str, ...] = ()
    egress: dict[str, tuple[str, ...]] = {}


class Pool(Struct, frozen=True, kw_only=True):
    """The reader's own member's endpoints of one service and az. Key `pool/<namespace>/<name>/<az>/<ports>`.

    Peers reach a pool only where an `Offer` of the same service stands beside it.
    """

    service: ServiceKey
    az: str
    ports: tuple[Port, ...]
    endpoints: tuple[Endpoint, ...]


class Listener(Struct, frozen=True, kw_only=True):
    """One port of an import and the node Envoy port that captured connections arrive on."""

    name: str
    port: int
    protocol: Protocol
    app_protocol: str
    listener: int


class Candidate(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One member that offers the service: an input of the law.

    `cost` orders candidates (smaller is nearer); `ready` and `total` count endpoints; `ports` are those that this
    member exposes, so that traffic to a port only goes where the port is. While the member comes back from a loss,
    `floor` is the part of its endpoints that was ready at its lowest (parts per million) and `since` the Unix
    millisecond from which it has been on its way up; `since` 0: it is not coming back from anything. One that is
    `leaving` gets, at the end of it, nothing while anyone else is ready. `capacity` is in requests per second of one
    ready endpoint (0: unknown); `grant` is how many requests per second it takes from the reader's member (-1: it does
    not say). `labels` are those that it says of itself.
    """

    member: MemberName
    region: str
    cost: int
    ready: int
    total: int
    ports: tuple[str, ...] = ()
    floor: int = 0
    since: int = 0
    leaving: Leaving | None = None
    capacity: int = 0
    grant: int = -1
    labels: dict[str, str] = {}


class HeadlessSlice(Struct, frozen=True, kw_only=True):
    """Endpoints of one candidate of a headless import, for DNS; `ports` are those that they listen on. Key
    `headless/<namespace>/<name>/<member>/<az>/<ports>`.
    """

    service: ServiceKey
    member: MemberName
    az: str
    ports: tuple[Port, ...]
    endpoints: tuple[Endpoint, ...]


class Import(Struct, frozen=True, kw_only=True):
    """The merged view of one service. Key `import/<namespace>/<name>`. `addresses` are its clusterset IPs, one a family
    (none if it is headless, or its cluster has given none yet). `demand` is what the reader's member's clients ask of
    it, in requests per second (0: unknown). `shifts` are those in force for it.
    """

    service: ServiceKey
    kind: ServiceKind
    addresses: tuple[str, ...] = ()
    ports: tuple[Listener, ...]
    candidates: tuple[Candidate, ...]
    policy: Policy = Policy()
    demand: int = 0
    shifts: tuple[Shift, ...] = ()


class Offer(Struct, frozen=True):
    """The ports of an own service that peers may reach through the gateway. Key `offer/<namespace>/<name>`.

    `policy` is the exporter's own: with a probe the gateway probes the endpoints behind the ports. `access`: who may
    come in; nobody whom no rule admits.
    """

    service: ServiceKey
    ports: tuple[Port, ...]
    policy: Policy = Policy()
    access: tuple[AccessRule, ...] = ()


class UnixUser(Struct, frozen=True, order=True):
    """A process on the reader's node as the kernel knows it: user id and primary group id (-1: any group)."""

    uid: int
    gid: int = -1

    def covers(self, other: "UnixUser") -> bool:
        """True when whoever is `other` is one of us."""
        return self.uid == other.uid and self.gid in (-1, other.gid)


class Workload(Struct, frozen=True):
    """A workload on the reader's node: whoever has one of these addresses acts as ns/sa. Key `workload/<ns>/<sa>`.

    A process of one of these `uids` gets the identity's certificate from the node's Workload API; with `kubernetes` so
    does one in a pod whose service account token is, by the API server's word, this account's.
    """

    namespace: str
    account: str
    addresses: tuple[str, ...] = ()
    uids: tuple[UnixUser, ...] = ()
    kubernetes: bool = False


class Place(Struct, frozen=True, kw_only=True):
    """Where a client of public names may stand: near one member. Key `place/<member>`.

    `subnets` are the member's own ranges; `costs` what it costs from there to reach other members, in ms. `zones` are
    those that the ledger lets it serve, `nameservers` the addresses of its DNS servers.
    """

    member: MemberName
    number: int
    region: str
    subnets: tuple[str, ...] = ()
    costs: dict[MemberName, int] = {}
    zones: tuple[str, ...] = ()
    nameservers: tuple[str, ...] = ()


class Target(Struct, frozen=True):
    """One member behind a public name: its state as an input of the law, and its public addresses.

    The candidate's `cost` is 0: what it costs from where a client is stands in that `Place`.
    """

    candidate: Candidate
    addresses: tuple[str, ...]


class Steered(Struct, frozen=True, gc=False):
    """A public name with what it is answered from. Key `steered/<host>/<service>`.

    `zone` is the granted zone around it.
    """

    name: GlobalName
    zone: str
    owner: MemberName
    targets: tuple[Target, ...]


class Witness(Struct, frozen=True):
    """What another member's record says is down. Key `witness/<observer>/<kind>/<about>[/<host>]`."""

    observer: MemberName
    evidence: Evidence


class JwtBundle(Struct, frozen=True):
    """The keys that sign a member's JWT-SVIDs, said by its anchor, which the reader checks. Key `jwt/<member>`."""

    member: MemberName
    statement: Signed


class ForeignBundle(Struct, frozen=True):
    """What to trust of a trust domain outside the federation, apart from all others. Key `foreign/<trust domain>`.
    `anchors` are PEM, "" none.
    """

    trust_domain: str
    anchors: str
    keys: tuple[JwtKey, ...]


Handout = (
    Site
    | Here
    | OwnGateway
    | OwnNode
    | Peer
    | Sighted
    | Pool
    | Import
    | HeadlessSlice
    | Offer
    | Workload
    | Place
    | Steered
    | Witness
    | JwtBundle
    | ForeignBundle
    | Orders
    | Confined
)
