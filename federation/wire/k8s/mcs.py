"""The Multi-Cluster Services API (multicluster.x-k8s.io, mcs-api v0.5.0) and ClusterProperty (about.k8s.io, KEP-2149).

The definitions made of these types say what the published ones say, so that either can be installed.
"""

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from federation.wire.k8s.meta import Conditions, ObjectMeta, Text

McsVersion = Literal["multicluster.x-k8s.io/v1beta1", "multicluster.x-k8s.io/v1alpha1"]
AboutVersion = Literal["about.k8s.io/v1beta1", "about.k8s.io/v1alpha1"]
Int32 = Annotated[int, Meta(extra_json_schema={"format": "int32"})]

PROPERTY_MAX = 131_072
"""Characters of a ClusterProperty's value (KEP-2149)."""


class ServiceExportSpec(Struct, frozen=True, rename="camel"):
    """What of the export goes to every member beside the service itself."""

    exported_labels: Annotated[Text, Meta(description="Labels that the ServiceImports shall have.")] = {}
    exported_annotations: Annotated[Text, Meta(description="Annotations that the ServiceImports shall have.")] = {}


class ServiceExportStatus(Struct, frozen=True, rename="camel"):
    """Written by the controller: conditions Valid, Ready and Conflict."""

    conditions: Conditions = []


class ServiceExport(Struct, frozen=True, kw_only=True, rename="camel"):
    """multicluster.x-k8s.io ServiceExport."""

    api_version: McsVersion = "multicluster.x-k8s.io/v1beta1"
    kind: Literal["ServiceExport"] = "ServiceExport"
    metadata: ObjectMeta
    spec: ServiceExportSpec = ServiceExportSpec()
    status: Any = None


class ImportPort(Struct, frozen=True, kw_only=True, rename="camel"):
    """A port of an imported service."""

    port: Annotated[Int32, Meta(description="The port that clients connect to.")]
    name: Annotated[str, Meta(description="Name of the port, unique in the service.")] | UnsetType = UNSET
    protocol: Annotated[str, Meta(description="TCP, UDP or SCTP.")] | UnsetType = UNSET
    app_protocol: Annotated[str, Meta(description="Application protocol, a hint.")] | UnsetType = UNSET


class ClientIpConfig(Struct, frozen=True, kw_only=True, rename="camel"):
    """Session affinity by the client's address."""

    timeout_seconds: Annotated[Int32, Meta(description="How long a client stays, 1 to 86400 s.")] | UnsetType = UNSET


class SessionAffinityConfig(Struct, frozen=True, kw_only=True, rename={"client_ip": "clientIP"}):
    """How session affinity is kept."""

    client_ip: ClientIpConfig | UnsetType = UNSET


class ServiceImportSpec(Struct, frozen=True, kw_only=True, rename="camel"):
    """The merged service, as clients in this cluster see it."""

    type: Annotated[Literal["ClusterSetIP", "Headless"], Meta(description="With an address of its own, or without.")]
    ports: Annotated[list[ImportPort], Meta(extra_json_schema={"x-kubernetes-list-type": "atomic"})]
    ips: Annotated[list[str], Meta(max_length=2, description="Clusterset IPs, in the order of ipFamilies.")] = []
    ip_families: Annotated[list[str], Meta(max_length=2, description="IPv4, IPv6.")] | UnsetType = UNSET
    session_affinity: Annotated[str, Meta(description="None or ClientIP.")] | UnsetType = UNSET
    session_affinity_config: SessionAffinityConfig | UnsetType = UNSET
    internal_traffic_policy: Annotated[str, Meta(description="Cluster or Local.")] | UnsetType = UNSET
    traffic_distribution: Annotated[str, Meta(description="Such as PreferClose.")] | UnsetType = UNSET


class ClusterStatus(Struct, frozen=True):
    """A cluster that exports the service."""

    cluster: Annotated[str, Meta(description="Name of the cluster.")]


Clusters = Annotated[
    list[ClusterStatus],
    Meta(extra_json_schema={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["cluster"]}),
]


class ServiceImportStatus(Struct, frozen=True, rename="camel"):
    """Written by the controller: who exports the service, and condition Ready."""

    clusters: Clusters = []
    conditions: Conditions = []


class ServiceImport(Struct, frozen=True, kw_only=True, rename="camel"):
    """multicluster.x-k8s.io ServiceImport; only the controller writes it (KEP-1645, Importing Services)."""

    api_version: McsVersion = "multicluster.x-k8s.io/v1beta1"
    kind: Literal["ServiceImport"] = "ServiceImport"
    metadata: ObjectMeta
    spec: ServiceImportSpec
    status: Any = None


class ClusterPropertySpec(Struct, frozen=True):
    """The property."""

    value: Annotated[str, Meta(min_length=1, max_length=PROPERTY_MAX, description="What the property's name says.")]


class ClusterProperty(Struct, frozen=True, kw_only=True, rename="camel"):
    """about.k8s.io ClusterProperty, cluster-scoped; the name is the property's."""

    api_version: AboutVersion = "about.k8s.io/v1beta1"
    kind: Literal["ClusterProperty"] = "ClusterProperty"
    metadata: ObjectMeta
    spec: ClusterPropertySpec
    status: Any = None
