"""What shall stand in our own cluster for one service (KEP-1645): the import, its derived Service, the endpoints, and
what is said of the objects that asked for it.
"""

from msgspec import Struct

from federation.model.handout import Listener
from federation.model.names import MemberName, ServiceKey
from federation.model.record import EndpointState, IpFamily, Port, ServiceKind, Traits


class Condition(Struct, frozen=True):
    """One condition of a status (meta/v1 Condition)."""

    type: str
    status: bool
    reason: str
    message: str


class ImportObject(Struct, frozen=True, kw_only=True):
    """The ServiceImport. `addresses` are its clusterset IPs, `families` theirs in the same order (if it is headless,
    those of its endpoints); `clusters` the members that export the service.
    """

    service: ServiceKey
    kind: ServiceKind
    addresses: tuple[str, ...]
    families: tuple[IpFamily, ...]
    ports: tuple[Port, ...]
    traits: Traits
    clusters: tuple[MemberName, ...]
    conditions: tuple[Condition, ...]


class DerivedService(Struct, frozen=True, kw_only=True):
    """The Service whose ClusterIP is the clusterset IP; it leads to the listeners of our nodes' proxies.

    `again` are the addresses to ask for when it is made anew: those that it had.
    """

    service: ServiceKey
    ports: tuple[Listener, ...]
    traits: Traits
    dual_stack: bool = False
    again: tuple[str, ...] = ()


class ListenerSlice(Struct, frozen=True, kw_only=True):
    """Endpoints of the derived Service: our nodes' proxies, by node name. `family` is that of their addresses."""

    service: ServiceKey
    family: IpFamily
    ports: tuple[Listener, ...]
    nodes: tuple[tuple[str, str], ...]
    bucket: int = 0


class Placed(Struct, frozen=True, order=True):
    """One endpoint and the availability zone where it is."""

    address: str
    state: EndpointState
    hostname: str
    az: str


class SourceSlice(Struct, frozen=True, kw_only=True):
    """Endpoints of one exporter, of one family, that listen on the same ports; `bucket` tells parts of many apart."""

    service: ServiceKey
    source: MemberName
    family: IpFamily
    ports: tuple[Port, ...]
    endpoints: tuple[Placed, ...]
    bucket: int


class Said(Struct, frozen=True, kw_only=True):
    """The conditions of an object that asked for something, as of its `generation`."""

    kind: str
    namespace: str
    name: str
    generation: int
    conditions: tuple[Condition, ...]


class MemberObject(Struct, frozen=True, kw_only=True):
    """A member of the federation as a MemberCluster. `last_heard` is the Unix second in which it was last heard, 0
    while it is connected or when it never was.
    """

    member: MemberName
    number: int
    region: str
    addresses: tuple[str, ...]
    connected: bool
    last_heard: int
    exports: int
    conditions: tuple[Condition, ...]


CLUSTER_ID, CLUSTERSET = "cluster.clusterset.k8s.io", "clusterset.k8s.io"
"""KEP-2149: the name of the cluster, and of the set while it is in one."""


class Property(Struct, frozen=True):
    """A ClusterProperty (KEP-2149)."""

    name: str
    value: str


ClusterObject = ImportObject | DerivedService | ListenerSlice | SourceSlice | Said | MemberObject | Property
