"""Kubernetes objects in the namespace `shop`, typed."""

from federation.wire.k8s.accesses import AccessPolicySpec, SourceSpec
from federation.wire.k8s.types import (
    AccessPolicy,
    EndpointConditions,
    EndpointSlice,
    ObjectMeta,
    Service,
    ServiceExport,
    ServicePort,
    ServiceSpec,
    SliceEndpoint,
    SlicePort,
)


def service(name: str = "web", port: int = 80) -> Service:
    return Service(
        metadata=ObjectMeta(name=name, namespace="shop"),
        spec=ServiceSpec(ports=[ServicePort(name="http", port=port, app_protocol="http")]),
    )


def export(name: str = "web") -> ServiceExport:
    return ServiceExport(metadata=ObjectMeta(name=name, namespace="shop"))


def everyone() -> AccessPolicy:
    """All callers of all members may call whatever shop exports."""
    return AccessPolicy(
        metadata=ObjectMeta(namespace="shop", name="everyone"), spec=AccessPolicySpec(sources=[SourceSpec()])
    )


def endpoint_slice(ready: tuple[str, ...], unready: tuple[str, ...] = (), name: str = "web") -> EndpointSlice:
    return EndpointSlice(
        metadata=ObjectMeta(name=f"{name}-1", namespace="shop", labels={"kubernetes.io/service-name": name}),
        address_type="IPv4",
        ports=[SlicePort(name="http", port=8080)],
        endpoints=[
            *(SliceEndpoint(addresses=[address]) for address in ready),
            *(SliceEndpoint(addresses=[address], conditions=EndpointConditions(ready=False)) for address in unready),
        ],
    )
