"""The objects of Kubernetes itself that we read or write: core/v1, discovery.k8s.io/v1, coordination.k8s.io/v1.

Every documented field is named; parts that we never look into are `Any`.
"""

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field

from federation.wire.k8s.meta import ObjectMeta, Text

IpFamily = Literal["IPv4", "IPv6"]
Protocol = Literal["TCP", "UDP", "SCTP"]
PortNumber = Annotated[int, Meta(ge=1, le=65535)]


class ServicePort(Struct, frozen=True, kw_only=True, rename="camel"):
    """spec.ports[] of a Service."""

    port: PortNumber
    name: str = ""
    protocol: Protocol = "TCP"
    app_protocol: str | None = None
    target_port: int | str | None = None
    node_port: int = 0


_SPEC_NAMES = {
    "cluster_ip": "clusterIP",
    "cluster_ips": "clusterIPs",
    "external_ips": "externalIPs",
    "load_balancer_ip": "loadBalancerIP",
}


def _spec_name(field: str) -> str:
    head, *rest = field.split("_")
    return _SPEC_NAMES.get(field) or head + "".join(part.title() for part in rest)


class ServiceSpec(Struct, frozen=True, kw_only=True, rename=_spec_name):
    """spec of a Service (core/v1 ServiceSpec)."""

    ports: list[ServicePort] = []
    selector: Text | None = None
    type: Literal["ClusterIP", "NodePort", "LoadBalancer", "ExternalName"] = "ClusterIP"
    cluster_ip: str = ""
    cluster_ips: list[str] = []
    external_ips: list[str] = []
    external_name: str = ""
    ip_families: list[IpFamily] | None = None
    ip_family_policy: str | None = None
    session_affinity: Literal["None", "ClientIP"] = "None"
    session_affinity_config: dict[str, Any] | None = None
    internal_traffic_policy: str | None = None
    external_traffic_policy: str | None = None
    traffic_distribution: str | None = None
    publish_not_ready_addresses: bool = False
    health_check_node_port: int = 0
    load_balancer_ip: str = ""
    load_balancer_class: str | None = None
    load_balancer_source_ranges: list[str] = []
    allocate_load_balancer_node_ports: bool | None = None


class Service(Struct, frozen=True, kw_only=True, rename="camel"):
    """v1 Service."""

    api_version: Literal["v1"] = "v1"
    kind: Literal["Service"] = "Service"
    metadata: ObjectMeta
    spec: ServiceSpec = ServiceSpec()
    status: Any = None


class EndpointConditions(Struct, frozen=True):
    """conditions of an endpoint; `ready` unset means ready (discovery/v1)."""

    ready: bool | None = None
    serving: bool | None = None
    terminating: bool | None = None


class SliceEndpoint(Struct, frozen=True, kw_only=True, rename="camel"):
    """endpoints[] of an EndpointSlice."""

    addresses: list[str]
    conditions: EndpointConditions = EndpointConditions()
    hostname: str | None = None
    node_name: str | None = None
    zone: str | None = None
    target_ref: dict[str, Any] | None = None
    hints: dict[str, Any] | None = None
    deprecated_topology: Text | None = None


class SlicePort(Struct, frozen=True, kw_only=True, rename="camel"):
    """ports[] of an EndpointSlice; an absent port number means all ports and is left out by us."""

    name: str = ""
    port: PortNumber | None = None
    protocol: Protocol = "TCP"
    app_protocol: str | None = None


class EndpointSlice(Struct, frozen=True, kw_only=True, rename="camel"):
    """discovery.k8s.io/v1 EndpointSlice."""

    api_version: Literal["discovery.k8s.io/v1"] = "discovery.k8s.io/v1"
    kind: Literal["EndpointSlice"] = "EndpointSlice"
    metadata: ObjectMeta
    address_type: Literal["IPv4", "IPv6", "FQDN"]
    endpoints: list[SliceEndpoint] | None = None
    ports: list[SlicePort] | None = None


class Namespace(Struct, frozen=True, kw_only=True, rename="camel"):
    """v1 Namespace: that it is there, and its labels."""

    api_version: Literal["v1"] = "v1"
    kind: Literal["Namespace"] = "Namespace"
    metadata: ObjectMeta
    spec: Any = None
    status: Any = None


class NodeSpec(Struct, frozen=True, kw_only=True):
    """spec of a Node."""

    pod_cidrs: tuple[str, ...] = field(default=(), name="podCIDRs")


class Node(Struct, frozen=True, kw_only=True, rename="camel"):
    """v1 Node: its labels `topology.kubernetes.io/region` and `/zone`, and the ranges of its pods."""

    api_version: Literal["v1"] = "v1"
    kind: Literal["Node"] = "Node"
    metadata: ObjectMeta
    spec: NodeSpec = NodeSpec()
    status: Any = None


class PodIp(Struct, frozen=True):
    """status.podIPs[] of a Pod."""

    ip: str = ""


class PodSpec(Struct, frozen=True, kw_only=True, rename="camel"):
    """Of a Pod's spec: where it runs and as whom."""

    node_name: str = ""
    service_account_name: str = "default"
    host_network: bool = False


class PodStatus(Struct, frozen=True, kw_only=True, rename={"pod_ips": "podIPs"}):
    """Of a Pod's status: its addresses, and whether it ended."""

    phase: str = ""
    pod_ips: list[PodIp] = []


class Pod(Struct, frozen=True, kw_only=True, rename="camel"):
    """v1 Pod, as far as a node agent needs to know whose an address is."""

    api_version: Literal["v1"] = "v1"
    kind: Literal["Pod"] = "Pod"
    metadata: ObjectMeta
    spec: PodSpec = PodSpec()
    status: PodStatus = PodStatus()


class LeaseSpec(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """spec of a Lease; times are RFC 3339 with microseconds (meta/v1 MicroTime)."""

    holder_identity: str | None = None
    lease_duration_seconds: int | None = None
    acquire_time: str | None = None
    renew_time: str | None = None
    lease_transitions: int | None = None
    strategy: str | None = None
    preferred_holder: str | None = None


class Lease(Struct, frozen=True, kw_only=True, rename="camel"):
    """coordination.k8s.io/v1 Lease."""

    api_version: Literal["coordination.k8s.io/v1"] = "coordination.k8s.io/v1"
    kind: Literal["Lease"] = "Lease"
    metadata: ObjectMeta
    spec: LeaseSpec = LeaseSpec()
