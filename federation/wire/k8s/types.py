"""The Kubernetes objects we read, every documented field named (core/v1, discovery.k8s.io/v1,
multicluster.x-k8s.io), and our own two.

Parts that we never look into are `Any`. Unknown fields are ignored here; the manifests adapter refuses them
(strict.py).
"""

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from federation.model import policy as model

Text = dict[str, str]
IpFamily = Literal["IPv4", "IPv6"]
Protocol = Literal["TCP", "UDP", "SCTP"]
PortNumber = Annotated[int, Meta(ge=1, le=65535)]
ApiVersion = Literal["isthmus.dev/v1alpha1"]


class ObjectMeta(Struct, frozen=True, kw_only=True, rename="camel"):
    """metadata (meta/v1 ObjectMeta)."""

    name: str
    namespace: str = "default"
    labels: Text = {}
    annotations: Text = {}
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    creation_timestamp: str | None = None
    deletion_timestamp: str | None = None
    deletion_grace_period_seconds: int | None = None
    generate_name: str = ""
    self_link: str = ""
    owner_references: list[dict[str, Any]] = []
    finalizers: list[str] = []
    managed_fields: list[dict[str, Any]] = []


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


class ServiceExportSpec(Struct, frozen=True, rename="camel"):
    """spec of a ServiceExport (mcs-api v0.5.0)."""

    exported_labels: Text = {}
    exported_annotations: Text = {}


class ServiceExport(Struct, frozen=True, kw_only=True, rename="camel"):
    """multicluster.x-k8s.io ServiceExport."""

    api_version: Literal["multicluster.x-k8s.io/v1beta1", "multicluster.x-k8s.io/v1alpha1"] = (
        "multicluster.x-k8s.io/v1beta1"
    )
    kind: Literal["ServiceExport"] = "ServiceExport"
    metadata: ObjectMeta
    spec: ServiceExportSpec = ServiceExportSpec()
    status: Any = None


def _within(limits: model.Range) -> Meta:
    return Meta(ge=limits.low, le=limits.high)


Weight = Annotated[int, _within(model.WEIGHT)]
Count = Annotated[int, _within(model.PROBE_COUNT)]


class ReturnSpec(Struct, frozen=True):
    """spec.return: how a recovered target comes back, `percent` of all requests more every `seconds`."""

    percent: Annotated[int, _within(model.RETURN_PERCENT)] = 10
    seconds: Annotated[int, _within(model.RETURN_SECONDS)] = 10


class ProbeSpec(Struct, frozen=True, kw_only=True, rename="camel"):
    """spec.probe: an HTTP GET of `path` (200 to 399 is healthy), or without one a TCP connection."""

    port: Annotated[int, _within(model.PROBE_PORT)] = 0
    path: Annotated[str, Meta(max_length=model.PROBE_PATH_MAX)] = ""
    interval_ms: Annotated[int, _within(model.PROBE_INTERVAL_MS)] = 1_000
    timeout_ms: Annotated[int, _within(model.PROBE_TIMEOUT_MS)] = 1_000
    unhealthy: Count = 3
    healthy: Count = 2


class SteeringSpec(Struct, frozen=True, kw_only=True, rename={"ramp": "return"}):
    """What our two kinds have in common; the fields mean what `model.policy.Policy` says."""

    order: list[str] = []
    threshold: Annotated[int, _within(model.THRESHOLD)] | None = None
    weights: dict[str, Weight] = {}
    drain: list[str] = []
    ramp: ReturnSpec = ReturnSpec()
    probe: ProbeSpec | None = None


class TrafficPolicySpec(SteeringSpec, frozen=True, kw_only=True):
    """spec of a TrafficPolicy; the fields mean what `model.policy.Policy` says."""


class TrafficPolicy(Struct, frozen=True, kw_only=True, rename="camel"):
    """isthmus.dev TrafficPolicy: steers the service of its own namespace and name."""

    api_version: ApiVersion = "isthmus.dev/v1alpha1"
    kind: Literal["TrafficPolicy"] = "TrafficPolicy"
    metadata: ObjectMeta
    spec: TrafficPolicySpec = TrafficPolicySpec()
    status: Any = None


class GlobalNameSpec(SteeringSpec, frozen=True, kw_only=True):
    """spec of a GlobalName: `host` answers with the members that offer `service` of the object's namespace."""

    host: str
    service: str
    policy: model.Steering = "steered"
    ttl: Annotated[int, _within(model.TTL)] = 30


class GlobalName(Struct, frozen=True, kw_only=True, rename="camel"):
    """isthmus.dev GlobalName: a public name."""

    api_version: ApiVersion = "isthmus.dev/v1alpha1"
    kind: Literal["GlobalName"] = "GlobalName"
    metadata: ObjectMeta
    spec: GlobalNameSpec
    status: Any = None


K8sObject = Service | EndpointSlice | ServiceExport | TrafficPolicy | GlobalName
KINDS: dict[str, type[K8sObject]] = {
    "Service": Service,
    "EndpointSlice": EndpointSlice,
    "ServiceExport": ServiceExport,
    "TrafficPolicy": TrafficPolicy,
    "GlobalName": GlobalName,
}
