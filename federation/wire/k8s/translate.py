"""Kubernetes objects to the model: what our own cluster says of one service."""

import re
from collections.abc import Iterable, Mapping
from typing import Literal

from msgspec import Struct, structs

from federation.model import public
from federation.model.duration import seconds_of
from federation.model.local import Drained
from federation.model.names import LABEL_MAX, ServiceKey
from federation.model.record import Endpoint, EndpointState, Port, ServiceKind, Slice, Traits
from federation.model.wish import in_force
from federation.wire.k8s.naming import derived_name
from federation.wire.k8s.routing import routing_of
from federation.wire.k8s.types import (
    Drain,
    EndpointConditions,
    EndpointSlice,
    GlobalName,
    Service,
    ServiceExport,
)
from federation.wire.k8s.wishes import wish_of

SERVICE_LABEL = "kubernetes.io/service-name"
MCS_SERVICE_LABEL = "multicluster.kubernetes.io/service-name"
MCS_SOURCE_LABEL = "multicluster.kubernetes.io/source-cluster"
SLICE_MANAGER_LABEL, SLICE_MANAGER = "endpointslice.kubernetes.io/managed-by", "isthmus.dev"
MANAGER_LABEL, MANAGER = "app.kubernetes.io/managed-by", "isthmus"

_NO_LABEL = re.compile(r"[^a-z0-9-]")
AFFINITY_SECONDS = 10_800
"""ClientIP affinity without a timeout (core/v1 ClientIPConfig)."""

ServiceType = ServiceKind | Literal["ExternalName"]


class LocalService(Struct, frozen=True, kw_only=True):
    """A Service as the federation sees it; `ports` are the ports that clients connect to."""

    key: ServiceKey
    kind: ServiceType
    ports: tuple[Port, ...]
    traits: Traits


def derived_from(service: Service) -> ServiceKey | None:
    """The import whose derived Service this is; None for any other, if it bears the same labels too."""
    meta = service.metadata
    key = ServiceKey(meta.namespace, meta.labels.get(MCS_SERVICE_LABEL, ""))
    return key if meta.labels.get(MANAGER_LABEL) == MANAGER and meta.name == derived_name(key) else None


def local_service(service: Service) -> LocalService:
    """KEP-1645: ClusterIP, NodePort and LoadBalancer become ClusterSetIP; `clusterIP: None` becomes Headless."""
    kind: ServiceType = "ClusterSetIP"
    if service.spec.type == "ExternalName":
        kind = "ExternalName"
    elif service.spec.cluster_ip == "None":
        kind = "Headless"
    ports = tuple(Port(p.name, p.port, p.protocol, p.app_protocol or "") for p in service.spec.ports)
    key = ServiceKey(service.metadata.namespace, service.metadata.name)
    return LocalService(key=key, kind=kind, ports=ports, traits=_traits(service))


def _traits(service: Service) -> Traits:
    """With what an API server puts in where nothing is said (core/v1 defaults): a folder of manifests has none."""
    spec = service.spec
    affinity = (spec.session_affinity_config or {}).get("clientIP") or {}
    seconds = affinity.get("timeoutSeconds") if isinstance(affinity, dict) else None
    return Traits(
        session_affinity=spec.session_affinity,
        affinity_seconds=0
        if spec.session_affinity == "None"
        else seconds
        if isinstance(seconds, int)
        else AFFINITY_SECONDS,
        families=tuple(spec.ip_families or ("IPv4",)),
        internal_traffic_policy=spec.internal_traffic_policy or "Cluster",
        traffic_distribution=spec.traffic_distribution or "",
    )


def exported_traits(traits: Traits, export: ServiceExport) -> Traits:
    """With the labels and annotations that the export names, and no others (KEP-1645, Exporting)."""
    return structs.replace(traits, labels=export.spec.exported_labels, annotations=export.spec.exported_annotations)


def slice_owner(endpoint_slice: EndpointSlice) -> ServiceKey | None:
    """The service whose endpoints these are; None for slices of imports and of nothing."""
    labels = endpoint_slice.metadata.labels
    name = labels.get(SERVICE_LABEL)
    if not name or MCS_SERVICE_LABEL in labels or labels.get(SLICE_MANAGER_LABEL) == SLICE_MANAGER:
        return None
    return ServiceKey(endpoint_slice.metadata.namespace, name)


def local_slices(
    key: ServiceKey, slices: Iterable[EndpointSlice], default_az: str, zones: Mapping[str, str]
) -> tuple[Slice, ...]:
    """The endpoints of one service, merged by availability zone and set of ports, without duplicates, sorted. An
    endpoint that names no zone is in that of its node, by `zones`, or else in `default_az`.
    """
    merged: dict[tuple[str, tuple[Port, ...]], dict[str, Endpoint]] = {}
    for endpoint_slice in slices:
        ports = tuple(
            sorted(Port(p.name, p.port, p.protocol, p.app_protocol or "") for p in endpoint_slice.ports or () if p.port)
        )
        for item in endpoint_slice.endpoints or ():
            group = merged.setdefault(
                (zone_label(item.zone or zones.get(item.node_name or "")) or default_az, ports), {}
            )
            for address in item.addresses[:1]:
                group[address] = Endpoint(address, state_of(item.conditions), item.hostname or "")
    return tuple(
        Slice(service=key, az=az, ports=ports, endpoints=tuple(sorted(group.values())))
        for (az, ports), group in sorted(merged.items())
    )


def zone_label(zone: str | None) -> str:
    """A zone's name as a DNS label: a node's label may hold more than peers take."""
    return _NO_LABEL.sub("-", (zone or "").lower()).strip("-")[:LABEL_MAX].rstrip("-")


def state_of(conditions: EndpointConditions) -> EndpointState:
    """`terminating` drains; `ready` unset means ready (discovery/v1 EndpointConditions)."""
    if conditions.terminating:
        return "draining"
    return "unready" if conditions.ready is False else "ready"


def drained(value: Drain) -> Drained:
    """What the Drain asks for."""
    spec, meta = value.spec, value.metadata
    return Drained(spec.member, meta.generation, seconds_of(spec.over) or 0, spec.reason, meta.uid)


def global_name(value: GlobalName) -> public.GlobalName:
    """The public name in the model's words; its service lies in the object's namespace."""
    spec = value.spec
    service = ServiceKey(value.metadata.namespace, spec.service)
    policy = in_force([("", wish_of(spec))]).policy
    return public.GlobalName(
        host=spec.host,
        service=service,
        steering=spec.policy,
        ttl=spec.ttl,
        least_ttl=spec.min_ttl or 0,
        policy=policy,
        routing=routing_of(spec.routing),
        answers=spec.answers,
        apart=spec.apart,
        ignore_subnet=spec.ignore_subnet,
        alpn=tuple(spec.alpn),
    )
