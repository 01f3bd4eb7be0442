"""The record: what one member says of itself, as keyed resources under one signed head (design section 5)."""

from typing import Literal

from msgspec import Struct

from federation.model.names import MemberName, ServiceKey

Protocol = Literal["TCP", "UDP", "SCTP"]
EndpointState = Literal["ready", "unready", "draining"]


class Port(Struct, frozen=True, order=True):
    """A service port (ServicePort) or, in a slice, the port that its endpoints listen on (EndpointPort)."""

    name: str
    port: int
    protocol: Protocol = "TCP"
    app_protocol: str = ""


class Endpoint(Struct, frozen=True, order=True):
    """One backend: a pod's address and whether it takes new requests."""

    address: str
    state: EndpointState = "ready"
    hostname: str = ""


class About(Struct, frozen=True):
    """The member itself. Key `about`."""

    member: MemberName
    region: str
    version: str


class Gateway(Struct, frozen=True, kw_only=True):
    """A node that carries east-west traffic. Key `gateway/<id>`.

    `key` is the raw WireGuard public key, `endpoint` the underlay `ip:port`, `overlay` its address inside the
    member's overlay prefix, `port` the Envoy port on that address.
    """

    id: int
    node: str
    key: bytes
    endpoint: str
    overlay: str
    port: int


class Export(Struct, frozen=True, kw_only=True):
    """A service offered to the federation. Key `export/<namespace>/<name>`."""

    service: ServiceKey
    kind: Literal["ClusterSetIP", "Headless"] = "ClusterSetIP"
    ports: tuple[Port, ...] = ()
    session_affinity: str = "None"


class Slice(Struct, frozen=True, kw_only=True):
    """The endpoints of one export in one member by availability zone. Key `slice/<namespace>/<name>/<az>/<ports>`."""

    service: ServiceKey
    az: str
    ports: tuple[Port, ...]
    endpoints: tuple[Endpoint, ...]

    def count(self, state: EndpointState) -> int:
        """How many endpoints are in this state."""
        return sum(1 for endpoint in self.endpoints if endpoint.state == state)


Resource = About | Gateway | Export | Slice


def key_of(resource: Resource) -> str:
    """The key under which a record holds this resource."""
    match resource:
        case About():
            return "about"
        case Gateway():
            return f"gateway/{resource.id}"
        case Export():
            return f"export/{resource.service}"
        case Slice():
            return f"slice/{resource.service}/{resource.az}/{ports_mark(resource)}"


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


class Signed(Struct, frozen=True):
    """Exact bytes and the Ed25519 signature over them: kept and forwarded as they came."""

    body: bytes
    signature: bytes
