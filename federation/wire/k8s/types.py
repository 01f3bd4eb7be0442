"""The Kubernetes objects that we read and write, and who reads which.

Unknown fields are ignored here; the manifests adapter refuses them (strict.py). `status` stays as it came: a mistake of
whoever wrote it must not take the object away.
"""

from federation.wire.k8s.accesses import AccessPolicySpec, SourceSpec
from federation.wire.k8s.core import (
    EndpointConditions,
    EndpointSlice,
    Lease,
    LeaseSpec,
    Namespace,
    Node,
    Pod,
    Service,
    ServicePort,
    ServiceSpec,
    SliceEndpoint,
    SlicePort,
)
from federation.wire.k8s.egress import CalleeSpec, EgressPolicySpec
from federation.wire.k8s.mcs import (
    ClientIpConfig,
    ClusterProperty,
    ClusterPropertySpec,
    ClusterStatus,
    ImportPort,
    ServiceExport,
    ServiceExportSpec,
    ServiceExportStatus,
    ServiceImport,
    ServiceImportSpec,
    ServiceImportStatus,
    SessionAffinityConfig,
)
from federation.wire.k8s.meta import Condition, ObjectMeta
from federation.wire.k8s.ours import (
    AccessPolicy,
    ConditionsStatus,
    Drain,
    DrainSpec,
    EgressPolicy,
    GlobalName,
    GlobalNameSpec,
    MemberCluster,
    MemberClusterStatus,
    TrafficPolicy,
)
from federation.wire.k8s.policies import ProbeSpec, ReturnSpec, SteeringSpec, TrafficPolicySpec

__all__ = [
    "CLUSTER_KINDS",
    "KINDS",
    "AccessPolicy",
    "AccessPolicySpec",
    "CalleeSpec",
    "ClientIpConfig",
    "ClusterObject",
    "ClusterProperty",
    "ClusterPropertySpec",
    "ClusterStatus",
    "Condition",
    "ConditionsStatus",
    "Drain",
    "DrainSpec",
    "EgressPolicy",
    "EgressPolicySpec",
    "EndpointConditions",
    "EndpointSlice",
    "GlobalName",
    "GlobalNameSpec",
    "ImportPort",
    "K8sObject",
    "Lease",
    "LeaseSpec",
    "MemberCluster",
    "MemberClusterStatus",
    "Namespace",
    "Node",
    "ObjectMeta",
    "Pod",
    "ProbeSpec",
    "ReturnSpec",
    "Service",
    "ServiceExport",
    "ServiceExportSpec",
    "ServiceExportStatus",
    "ServiceImport",
    "ServiceImportSpec",
    "ServiceImportStatus",
    "ServicePort",
    "ServiceSpec",
    "SessionAffinityConfig",
    "SliceEndpoint",
    "SlicePort",
    "SourceSpec",
    "SteeringSpec",
    "TrafficPolicy",
    "TrafficPolicySpec",
]

K8sObject = Service | EndpointSlice | ServiceExport | TrafficPolicy | AccessPolicy | EgressPolicy | GlobalName | Drain
KINDS: dict[str, type[K8sObject]] = {
    "Service": Service,
    "EndpointSlice": EndpointSlice,
    "ServiceExport": ServiceExport,
    "TrafficPolicy": TrafficPolicy,
    "AccessPolicy": AccessPolicy,
    "EgressPolicy": EgressPolicy,
    "GlobalName": GlobalName,
    "Drain": Drain,
}
"""What a user writes: from a cluster or from a folder of manifests."""

ClusterObject = K8sObject | MemberCluster | ServiceImport | ClusterProperty | Namespace | Node | Pod | Lease
CLUSTER_KINDS: dict[str, type[ClusterObject]] = {
    **KINDS,
    "MemberCluster": MemberCluster,
    "ServiceImport": ServiceImport,
    "ClusterProperty": ClusterProperty,
    "Namespace": Namespace,
    "Node": Node,
    "Pod": Pod,
    "Lease": Lease,
}
"""Everything that a cluster's API holds for us."""
