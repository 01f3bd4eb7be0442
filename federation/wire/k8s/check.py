"""What the types do not say of an object: names that DNS can carry, addresses that can be endpoints. Pure."""

from ipaddress import ip_address

from federation.model.cidr import forbidden_address
from federation.model.names import is_host, is_label
from federation.model.policy import is_path
from federation.wire.k8s.types import (
    EndpointSlice,
    GlobalName,
    GlobalNameSpec,
    K8sObject,
    SteeringSpec,
    TrafficPolicy,
)


def fault(value: K8sObject) -> str | None:
    """Field, value and limit of the first fault of this object, or None (Kubernetes API conventions; discovery/v1)."""
    if not is_label(value.metadata.namespace):
        return f'field "metadata.namespace": "{value.metadata.namespace}" is not a DNS label'
    if isinstance(value, EndpointSlice):
        return _slice_fault(value)
    if not is_label(value.metadata.name):
        return f'field "metadata.name": "{value.metadata.name}" is not a DNS label'
    if isinstance(value, TrafficPolicy):
        return _steering_fault(value.spec)
    return _name_fault(value.spec) if isinstance(value, GlobalName) else None


def _name_fault(spec: GlobalNameSpec) -> str | None:
    if not is_host(spec.host):
        return f'field "spec.host": "{spec.host}" is not a DNS name in lower case such as shop.example.com'
    if not is_label(spec.service):
        return f'field "spec.service": "{spec.service}" is not a DNS label'
    if spec.policy == "weighted" and not spec.weights:
        return 'field "spec.weights": policy weighted needs a weight for at least one region'
    if spec.policy == "steered" and spec.weights:
        return 'field "spec.weights": only used with policy weighted; remove it or set spec.policy to weighted'
    return _steering_fault(spec)


def _steering_fault(spec: SteeringSpec) -> str | None:
    if spec.weights and not any(spec.weights.values()):
        return 'field "spec.weights": all are 0: give at least one region a weight above 0'
    for field, regions in (("order", spec.order), ("drain", spec.drain)):
        twice = next((region for index, region in enumerate(regions) if region in regions[:index]), None)
        if twice is not None:
            return f'field "spec.{field}": "{twice}" stands there twice'
    if spec.probe is not None and spec.probe.path and not is_path(spec.probe.path):
        path = spec.probe.path
        return f'field "spec.probe.path": {path!r} must begin with "/" and hold printable ASCII without spaces'
    return None


def _slice_fault(value: EndpointSlice) -> str | None:
    if value.address_type == "FQDN":
        return 'field "addressType": FQDN endpoints cannot be reached by address and are not exported'
    family = 4 if value.address_type == "IPv4" else 6
    for index, endpoint in enumerate(value.endpoints or ()):
        for address in endpoint.addresses:
            why = forbidden_address(address)
            if why is None and ip_address(address).version != family:
                why = f"is not of addressType {value.address_type}"
            if why is not None:
                return f'field "endpoints[{index}].addresses": "{address}" {why}'
    return None
