"""Reports: what a member's programs say of themselves to their controller."""

from msgspec import Struct

from federation.model.flows import FlowReport
from federation.model.handout import Role
from federation.model.moves import Order
from federation.model.names import MemberName, ServiceKey


class NodeReport(Struct, frozen=True, kw_only=True):
    """What a program says of itself to its controller. Key `node` of the topic `report`.

    `reached` is the root of the last handout that is fully in force, `problems` one line each. `wireguard_*`: the raw
    public key and the proof of it, of gateways and nodes. `gateway_*` are set by the role gateway: underlay `ip:port`
    and further ones, mTLS port, the `ip:port` where own nodes reach it ("": nowhere), and whether it carries between
    others; endpoints are those of slot 0, and `gateway_slot` that of its key. `spare_*`: the other key, in the other
    slot, while there are two. `ledger` is the greatest ledger mark whose anchors are in force and on disk, `issuers`
    the key ids (hex) of the anchors that signed the leaves in use. `drains` are those that it was told on its own
    socket, by member, and `frozen` why it takes no more of them. `pods` are the ranges of the pods on a node, as the
    node has them. `packet_path` is what answers datagrams of a DNS server: rust or python.
    """

    node: str
    role: Role
    reached: bytes = b""
    problems: tuple[str, ...] = ()
    address: str = ""
    wireguard_key: bytes = b""
    wireguard_proof: bytes = b""
    gateway_endpoint: str = ""
    gateway_port: int = 0
    gateway_inside: str = ""
    gateway_alternates: tuple[str, ...] = ()
    gateway_relay: bool = False
    gateway_slot: int = 0
    spare_key: bytes = b""
    spare_proof: bytes = b""
    ledger: int = 0
    issuers: tuple[str, ...] = ()
    drains: dict[str, Order] = {}
    frozen: str = ""
    pods: tuple[str, ...] = ()
    packet_path: str = ""


class LinkReport(Struct, frozen=True, kw_only=True):
    """One WireGuard link as its near end sees it. Key `link/<member>/<gateway id>`.

    `handshake_age` in seconds, -1 when there was none; `rx` and `tx` in bytes; `rtt_us` and `jitter_us` -1 when not
    measured. `up` is what the probes say and `since` the Unix millisecond of the last change (0: none yet); `loss` in
    per cent. `mtu` is the largest packet in the tunnel that passes, in bytes (0: not even what IPv6 needs; -1: not
    measured). `heard` is the `ip:port` from where the far end speaks when that is not in its record ("": it is, or
    nothing was heard of late); `relay` the member through which the link goes ("": straight).
    """

    member: MemberName
    gateway: int
    handshake_age: int
    rx: int
    tx: int
    rtt_us: int = -1
    jitter_us: int = -1
    up: bool = True
    since: int = 0
    loss: int = 0
    mtu: int = -1
    heard: str = ""
    relay: str = ""


class EndpointReport(Struct, frozen=True):
    """An own endpoint fails its probe since this Unix second, as long as it does. Key
    `endpoint/<namespace>/<name>/<address>`.
    """

    service: ServiceKey
    address: str
    since: int


class EnvoyRefusal(Struct, frozen=True):
    """What a node's Envoy refuses of a service, in its own words; its last good form goes on. Key
    `refused/<namespace>/<name>`; it stands there as long as it is refused.
    """

    service: ServiceKey
    text: str


class TargetReport(Struct, frozen=True, gc=False):
    """A DNS server finds a member's public address for a name down, since this Unix second and as long as it is. Key
    `target/<member>/<host>`.
    """

    member: MemberName
    host: str
    since: int


Report = NodeReport | LinkReport | EndpointReport | EnvoyRefusal | TargetReport | FlowReport
