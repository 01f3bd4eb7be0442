"""The node state: everything that one node must have in force, as values (the intermediate representation).

`intent` makes it from a handout; `render` turns it into what WireGuard, the kernel, nft and Envoy read.
"""

from collections.abc import Iterator
from itertools import chain

from msgspec import Struct

from federation.model.access import AccessRule
from federation.model.confine import Confined
from federation.model.handout import Candidate, ForeignBundle, Role, UnixUser
from federation.model.names import ServiceKey
from federation.model.policy import Affinity, Probe
from federation.model.record import EndpointState
from federation.model.resilience import NO_RESILIENCE, Resilience
from federation.model.spiffe import SpiffeId
from federation.model.tokens import Authorities
from gateways.flat_state import FlatMode, Opening

RELAY_PORT = 15444
"""The UDP port, on the overlay address of a gateway, of what is carried through a third member."""

GATEWAY_PORT = 15443
"""The Envoy port of every gateway, on its overlay address."""


BEARER = "bearer"
"""The path of the identity that stands for that of whoever holds a resource: each sidecar has its own, and all the same
resources.
"""

TRACE_PERCENT = 1


class Telemetry(Struct, frozen=True, kw_only=True):
    """What this node's Envoy tells of requests. `otlp` is HOST:PORT of a collector (OTLP over gRPC), "" for none;
    `trace_percent` of the requests that come without a trace begin one. `access_log` is a path, `stdout`, or "".
    """

    otlp: str = ""
    trace_percent: int = TRACE_PERCENT
    access_log: str = ""


class Situation(Struct, frozen=True, kw_only=True):
    """What the agent knows by itself: who it is and where it stands.

    `address` is where captured connections arrive (role node) and where the agent lives. `device` begins the names of
    its WireGuard devices; `private_key` and `public_key` raw, `possession` the proof of them
    (`federation.link.possession`). Of the role gateway: `listen_port` UDP on the underlay of the first rail, and
    `inside` the `ip:port` where nodes of the own member reach it ("": they do not); `relay` when it carries between
    others; both ports are those of slot 0, `slot` is that of the key. `spare` is the same gateway under its
    other key, while it has two. Of the role node: `pods` are the ranges of its pods.
    """

    node: str
    role: Role
    member: str
    domain: str
    address: str
    device: str = ""
    private_key: bytes = b""
    public_key: bytes = b""
    possession: bytes = b""
    listen_port: int = 0
    inside: str = ""
    relay: bool = False
    slot: int = 0
    spare: "Situation | None" = None
    pods: tuple[str, ...] = ()
    telemetry: Telemetry = Telemetry()


class WgPeer(Struct, frozen=True, kw_only=True):
    """The other end of a tunnel: a gateway, of another member or our own, by its id, or a node of ours by its name.

    `allowed` are the overlay prefixes that it alone owns on this device, `overlay` is its address.

    `starts` when it is ours to start a handshake anew, theirs otherwise. `alternates` are further endpoints of its
    record, `sighted` those where others hear it (`reach`). `number` is its member's, `relay`: it carries for others.
    `preshared` is the key that both members were given by hand (b"": none). `spare`: the link stands beside the one
    that is in use, while one of its ends has two keys.
    """

    member: str
    gateway: int
    key: bytes
    endpoint: str
    allowed: tuple[str, ...]
    overlay: str
    starts: bool = False
    node: str = ""
    alternates: tuple[str, ...] = ()
    sighted: tuple[str, ...] = ()
    number: int = 0
    relay: bool = False
    preshared: bytes = b""
    spare: bool = False


class Preshared(Struct, frozen=True):
    """Preshared keys by member, raw, and what is wrong with those that cannot be read: the last good one stays."""

    keys: dict[str, bytes] = {}
    faults: dict[str, str] = {}


NO_PRESHARED = Preshared()


class Way(Struct, frozen=True, order=True):
    """What leads to this prefix. `mtu` is how large packets may be (0: as large as the device carries), `table` the
    routing table (0: the main one), `metric` the place among other devices' ways there (0: before all that have one).
    """

    prefix: str
    mtu: int = 0
    table: int = 0
    metric: int = 0

    @property
    def place(self) -> tuple[str, int, int]:
        """What only one way has."""
        return self.prefix, self.table, self.metric


class Tunnel(Struct, frozen=True, kw_only=True):
    """A WireGuard device: our own overlay address, the peers, and what is reached through it.

    `rail` numbers from 1 the devices of a gateway towards other members; 0: it joins a node and a gateway of one
    member. `listen_port` 0: any. `inwards`: it is for what others send to our pods, and nothing leaves over it; nor
    over one that is `spare`, for all of its links are.
    """

    device: str
    private_key: bytes
    listen_port: int
    address: str
    peers: tuple[WgPeer, ...]
    ways: tuple[Way, ...] = ()
    rail: int = 1
    inwards: bool = False
    spare: bool = False


class Capture(Struct, frozen=True, order=True):
    """TCP to this clusterset IP and port goes to the listener on the agent's address."""

    address: str
    port: int
    listener: int


class Host(Struct, frozen=True, order=True):
    """One upstream address as Envoy sees it: a local pod with its availability zone, or another member's gateway."""

    address: str
    port: int
    state: EndpointState = "ready"
    zone: str = ""


class Locality(Struct, frozen=True):
    """One member's part of a cluster, or that of one `zone` of it. `weight` is the law's share in parts per million,
    `reason` the rule that gave it, in a word or two.

    Without a share there is no traffic, but to those that stand by: `standby` is the place in their order, from 1; they
    are tried when no host with a share can be reached. 0: it does not stand by.
    """

    member: str
    region: str
    weight: int
    hosts: tuple[Host, ...]
    standby: int = 0
    zone: str = ""
    reason: str = ""


class Cluster(Struct, frozen=True, kw_only=True):
    """One Envoy cluster; its endpoints are found under its own name.

    `identity` is whose certificate it shows to the gateways of `remotes`; without one it only reaches `local`.
    `sni` names port and service at the remote gateway.
    """

    name: str
    local: str
    localities: tuple[Locality, ...]
    identity: SpiffeId | None = None
    remotes: tuple[str, ...] = ()
    sni: str = ""
    http: bool = False
    resilience: Resilience = NO_RESILIENCE
    affinity: Affinity | None = None


class Access(Struct, frozen=True):
    """Who of the peers may come in: whom one of these rules admits, in the federation of this domain."""

    rules: tuple[AccessRule, ...]
    domain: str


NOBODY = Access((), "")


class Mirror(Struct, frozen=True):
    """A copy of this part of the requests (ppm) goes to this cluster too."""

    cluster: str
    ppm: int


class Route(Struct, frozen=True, kw_only=True):
    """What happens to each HTTP request of the chains towards the cluster `name`, whose name it bears.

    `cluster` is where requests go, another service's while the law says fallback. `gateway` is the member whose gateway
    this is; "" at a node, where the caller's retries are.
    """

    name: str
    cluster: str
    resilience: Resilience = NO_RESILIENCE
    affinity: Affinity | None = None
    mirror: Mirror | None = None
    gateway: str = ""
    access: Access = NOBODY


class Streams(Struct, frozen=True, kw_only=True):
    """What holds for the connections of a port that is plain TCP."""

    resilience: Resilience = NO_RESILIENCE
    affinity: Affinity | None = None


class SourceChain(Struct, frozen=True):
    """Connections from these addresses use this cluster (HTTP: the route of this name): the workload behind them is
    `identity`.
    """

    identity: SpiffeId
    sources: tuple[str, ...]
    cluster: str


class NodeListener(Struct, frozen=True, kw_only=True):
    """Where captured connections of one import port arrive. `default` serves sources without an identity, or "".

    `streams` counts for TCP alone: what HTTP needs stands in routes, so that a policy drains no connection.
    """

    name: str
    address: str
    port: int
    http: bool
    chains: tuple[SourceChain, ...]
    default: str
    service: str = ""
    streams: Streams = Streams()


class Admitted(Struct, frozen=True):
    """A peer that may enter: its identities begin with `prefix`, its packets come from `overlay`."""

    member: str
    prefix: str
    overlay: str


class Offered(Struct, frozen=True, cache_hash=True, weakref=True):
    """One exported port: connections with this SNI go to this cluster (HTTP: the route of this name).

    `access` counts for TCP alone: who may send HTTP requests stands in the route. `by_path`: that asks for paths, so
    they are made normal first.
    """

    sni: str
    cluster: str
    http: bool
    service: str = ""
    streams: Streams = Streams()
    access: Access = NOBODY
    by_path: bool = False


class GatewayListener(Struct, frozen=True, kw_only=True):
    """Where peers' node proxies arrive. The socket trusts the anchors of all `admitted` and nobody else."""

    address: str
    port: int
    identity: SpiffeId
    admitted: tuple[Admitted, ...]
    offered: tuple[Offered, ...]


class Checked(Struct, frozen=True):
    """An own endpoint that this node probes for a service, at `port` where a probe says none (see `policy.Policy`)."""

    service: ServiceKey
    address: str
    port: int
    probes: tuple[Probe, ...]
    need: int = 0


class Anchor(Struct, frozen=True):
    """What to trust for one member: `pem` holds two certificates while its anchor is rotated."""

    member: str
    trust_domain: str
    pem: str


class Registered(Struct, frozen=True):
    """An identity that processes of these users get from the Workload API, and with `kubernetes` those of a pod whose
    service account it is.
    """

    identity: SpiffeId
    users: tuple[UnixUser, ...]
    kubernetes: bool = False


class ServiceState(Struct, frozen=True, kw_only=True):
    """What one service asks of this node: of the role node through its import, of the role gateway through its offer.

    It hangs on nothing of any other service but on who owns its listener ports.
    `offered` are its ports at the gateway's listener, `openings` what flat peers may open, `checked` the own endpoints
    to probe, `in_use` the members that get requests. `until` is the Unix millisecond at which age alone changes a share
    (0: none), `held` the own candidate that the next ruling builds on. `problems` says, one line each, what was left
    out.
    """

    captures: tuple[Capture, ...] = ()
    clusters: tuple[Cluster, ...] = ()
    routes: tuple[Route, ...] = ()
    listeners: tuple[NodeListener, ...] = ()
    offered: tuple[Offered, ...] = ()
    openings: tuple[Opening, ...] = ()
    checked: tuple[Checked, ...] = ()
    in_use: tuple[str, ...] = ()
    until: int = 0
    held: Candidate | None = None
    problems: tuple[str, ...] = ()


class NodeState(Struct, frozen=True, kw_only=True):
    """Everything that must be in force on one node. `problems` says, one line each, what was left out and why.

    `services` is kept from pass to pass and shared where nothing changed, as is every other part: one that is the very
    object of the last pass did not change.
    `identities` are those that Envoy acts as, `registered` those that processes of this node fetch;
    `authorities` are the keys of JWT-SVIDs by trust domain, `foreign` the trust domains outside the federation.
    `overlay` is the own address in the tunnels, "" without one. `ways` are the overlay addresses to probe, True for
    those that get requests; `ADDRESS%DEVICE` where several devices lead there.
    `until` is the Unix millisecond at which age alone changes a share (0: none). `drained` is why a gateway answers no
    probe, so that who has another goes there ("": it answers).
    `flat` is None while flat mode is in force with nobody. `confined`: what own clients may call at other members.
    `domain` is the federation's, `ledger` the mark of the ledger that `anchors` were taken from.
    `known` is False before the first handout: then what is in force is left as it is, for unknown is not empty.
    """

    situation: Situation
    known: bool = True
    domain: str = ""
    region: str = ""
    overlay: str = ""
    drained: str = ""
    tunnels: tuple[Tunnel, ...] = ()
    captures: tuple[Capture, ...] = ()
    services: dict[ServiceKey, ServiceState] = {}
    gateway: GatewayListener | None = None
    flat: FlatMode | None = None
    confined: tuple[Confined, ...] = ()
    anchors: tuple[Anchor, ...] = ()
    ledger: int = 0
    identities: tuple[SpiffeId, ...] = ()
    registered: tuple[Registered, ...] = ()
    authorities: tuple[Authorities, ...] = ()
    foreign: tuple[ForeignBundle, ...] = ()
    ways: dict[str, bool] = {}
    until: int = 0
    problems: tuple[str, ...] = ()

    @property
    def clusters(self) -> tuple[Cluster, ...]:
        """Those of all services, by the services' names. Walks them all: for a view of the whole."""
        return tuple(chain.from_iterable(one.clusters for one in self._ordered()))

    @property
    def listeners(self) -> tuple[NodeListener, ...]:
        """Those of all services, as `clusters`."""
        return tuple(chain.from_iterable(one.listeners for one in self._ordered()))

    def _ordered(self) -> Iterator[ServiceState]:
        return (self.services[key] for key in sorted(self.services))
