"""What the types do not say of an object: names that DNS can carry, addresses that can be endpoints. Pure."""

from ipaddress import ip_address

from federation.model.cidr import forbidden_address
from federation.model.names import is_label
from federation.wire.k8s.types import EndpointSlice, K8sObject


def fault(value: K8sObject) -> str | None:
    """Field, value and limit of the first fault of this object, or None (Kubernetes API conventions; discovery/v1)."""
    if not is_label(value.metadata.namespace):
        return f'field "metadata.namespace": "{value.metadata.namespace}" is not a DNS label'
    if isinstance(value, EndpointSlice):
        return _slice_fault(value)
    if not is_label(value.metadata.name):
        return f'field "metadata.name": "{value.metadata.name}" is not a DNS label'
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
