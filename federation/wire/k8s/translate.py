"""Kubernetes objects to the model: what our own cluster says of one service."""

from collections.abc import Iterable
from typing import Literal

from msgspec import Struct, structs

from federation.model import policy as model
from federation.model.names import ServiceKey
from federation.model.record import Endpoint, EndpointState, Port, Slice
from federation.wire.k8s.types import (
    EndpointConditions,
    EndpointSlice,
    GlobalName,
    Service,
    SteeringSpec,
)

SERVICE_LABEL = "kubernetes.io/service-name"
MCS_SERVICE_LABEL = "multicluster.kubernetes.io/service-name"

ServiceType = Literal["ClusterSetIP", "Headless", "ExternalName"]


class LocalService(Struct, frozen=True, kw_only=True):
    """A Service as the federation sees it; `ports` are the ports that clients connect to."""

    key: ServiceKey
    kind: ServiceType
    ports: tuple[Port, ...]
    session_affinity: str


def local_service(service: Service) -> LocalService:
    """KEP-1645: ClusterIP, NodePort and LoadBalancer become ClusterSetIP; `clusterIP: None` becomes Headless."""
    kind: ServiceType = "ClusterSetIP"
    if service.spec.type == "ExternalName":
        kind = "ExternalName"
    elif service.spec.cluster_ip == "None":
        kind = "Headless"
    ports = tuple(Port(p.name, p.port, p.protocol, p.app_protocol or "") for p in service.spec.ports)
    key = ServiceKey(service.metadata.namespace, service.metadata.name)
    return LocalService(key=key, kind=kind, ports=ports, session_affinity=service.spec.session_affinity)


def slice_owner(endpoint_slice: EndpointSlice) -> ServiceKey | None:
    """The service whose endpoints these are; None for slices of imports and of nothing."""
    name = endpoint_slice.metadata.labels.get(SERVICE_LABEL)
    if not name or MCS_SERVICE_LABEL in endpoint_slice.metadata.labels:
        return None
    return ServiceKey(endpoint_slice.metadata.namespace, name)


def local_slices(key: ServiceKey, slices: Iterable[EndpointSlice], default_az: str) -> tuple[Slice, ...]:
    """The endpoints of one service, merged by availability zone and set of ports, without duplicates, sorted."""
    merged: dict[tuple[str, tuple[Port, ...]], dict[str, Endpoint]] = {}
    for endpoint_slice in slices:
        ports = tuple(
            sorted(Port(p.name, p.port, p.protocol, p.app_protocol or "") for p in endpoint_slice.ports or () if p.port)
        )
        for item in endpoint_slice.endpoints or ():
            group = merged.setdefault((item.zone or default_az, ports), {})
            for address in item.addresses[:1]:
                group[address] = Endpoint(address, state_of(item.conditions), item.hostname or "")
    return tuple(
        Slice(service=key, az=az, ports=ports, endpoints=tuple(sorted(group.values())))
        for (az, ports), group in sorted(merged.items())
    )


def state_of(conditions: EndpointConditions) -> EndpointState:
    """`terminating` drains; `ready` unset means ready (discovery/v1 EndpointConditions)."""
    if conditions.terminating:
        return "draining"
    return "unready" if conditions.ready is False else "ready"


def policy_of(spec: SteeringSpec) -> model.Policy:
    """The policy in the model's words."""
    return model.Policy(
        order=tuple(spec.order),
        threshold=spec.threshold or 0,
        weights=spec.weights,
        drain=tuple(spec.drain),
        ramp=model.Ramp(spec.ramp.percent, spec.ramp.seconds),
        probe=None if spec.probe is None else model.Probe(**structs.asdict(spec.probe)),
    )


def global_name(value: GlobalName) -> model.GlobalName:
    """The public name in the model's words; its service lies in the object's namespace."""
    spec = value.spec
    service = ServiceKey(value.metadata.namespace, spec.service)
    return model.GlobalName(host=spec.host, service=service, steering=spec.policy, ttl=spec.ttl, policy=policy_of(spec))
