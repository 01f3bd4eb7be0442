"""What the types do not say of an object: names that DNS can carry, addresses that can be endpoints, sizes. Pure.

The API server says the same of our own kinds by `rules.py`; a folder of manifests and a server without our definitions
do not.
"""

from federation.model.cidr import forbidden_address
from federation.model.duration import seconds_of
from federation.model.metadata import annotation_fault, is_key, label_fault
from federation.model.moves import SECONDS_MAX
from federation.model.names import LABEL_MAX, NAME_MAX, is_host, is_label
from federation.wire.k8s.accesses import access_fault
from federation.wire.k8s.egress import egress_fault
from federation.wire.k8s.mcs import ServiceExportSpec
from federation.wire.k8s.routing import specs_fault
from federation.wire.k8s.steering import policy_fault, steering_fault
from federation.wire.k8s.types import (
    AccessPolicy,
    ClusterObject,
    ClusterProperty,
    Drain,
    EgressPolicy,
    EndpointSlice,
    GlobalName,
    GlobalNameSpec,
    Lease,
    Node,
    Pod,
    Service,
    ServiceExport,
    ServicePort,
    TrafficPolicy,
)

PORTS_MAX = 100


def fault(value: ClusterObject) -> str | None:
    """Field, value and limit of the first fault of this object, or None (Kubernetes API conventions; discovery/v1)."""
    if not is_label(value.metadata.namespace):
        return f'field "metadata.namespace": "{value.metadata.namespace}" is not a DNS label'
    name = value.metadata.name
    if isinstance(value, EndpointSlice):
        return _slice_fault(value)
    if isinstance(value, _NAMED_BY_A_HOST):
        if not (is_label(name) or is_host(name)):
            return f'field "metadata.name": "{name[:NAME_MAX]}" is not a DNS name in lower case'
        return _drain_fault(value) if isinstance(value, Drain) else None
    if not is_label(name):
        return f'field "metadata.name": "{name}" is not a DNS label'
    return _spec_fault(value)


_NAMED_BY_A_HOST = (ClusterProperty, Drain, Lease, Node, Pod)


def _spec_fault(value: ClusterObject) -> str | None:
    match value:
        case Service():
            named = [(port.name, port.app_protocol or "") for port in value.spec.ports]
            return _ports_fault("spec.ports", named) or _numbers_fault(value.spec.ports)
        case ServiceExport():
            return _export_fault(value.spec)
        case TrafficPolicy():
            return policy_fault(value.spec, value.metadata.name)
        case AccessPolicy():
            return access_fault(value.spec)
        case EgressPolicy():
            return egress_fault(value.spec)
        case GlobalName():
            return _name_fault(value.spec)
    return None


def _ports_fault(field: str, ports: list[tuple[str, str]]) -> str | None:
    if len(ports) > PORTS_MAX:
        return f'field "{field}": {len(ports)} ports, at most {PORTS_MAX} can be exported'
    for index, (name, protocol) in enumerate(ports):
        if name and not is_label(name):
            return f'field "{field}[{index}].name": "{name[:LABEL_MAX]}" is not a DNS label'
        if protocol and not is_key(protocol):
            shown = protocol[:LABEL_MAX]
            return f'field "{field}[{index}].appProtocol": {shown!r} is no name such as http or example.com/protocol'
        if name in (other for other, _ in ports[:index]):
            return f'field "{field}[{index}].name": "{name}" stands there twice'
    return None


def _numbers_fault(ports: list[ServicePort]) -> str | None:
    numbers = [f"{port.port}/{port.protocol}" for port in ports]
    twice = next((index for index, one in enumerate(numbers) if one in numbers[:index]), None)
    return None if twice is None else f'field "spec.ports[{twice}]": {numbers[twice]} stands there twice'


def _export_fault(spec: ServiceExportSpec) -> str | None:
    labels, annotations = label_fault(spec.exported_labels), annotation_fault(spec.exported_annotations)
    if labels is not None:
        return f'field "spec.exportedLabels": {labels}'
    return None if annotations is None else f'field "spec.exportedAnnotations": {annotations}'


def _drain_fault(value: Drain) -> str | None:
    member = value.spec.member
    if member and not is_label(member):
        return f'field "spec.member": "{member}" is not a member name (a DNS label)'
    over = seconds_of(value.spec.over) if value.spec.over else 0
    if over is None or over > SECONDS_MAX:
        return f'field "spec.over": "{value.spec.over}" must be a duration such as 90s, 10m or 1h30m, at most 24h'
    return None


def _name_fault(spec: GlobalNameSpec) -> str | None:
    if not is_host(spec.host):
        return f'field "spec.host": "{spec.host}" is not a DNS name in lower case such as shop.example.com'
    if not is_label(spec.service):
        return f'field "spec.service": "{spec.service}" is not a DNS label'
    if spec.policy == "weighted" and not spec.weights:
        return 'field "spec.weights": policy weighted needs a weight for at least one region'
    if spec.policy == "steered" and spec.weights:
        return 'field "spec.weights": only used with policy weighted; remove it or set spec.policy to weighted'
    if spec.min_ttl is not None and spec.min_ttl > spec.ttl:
        return f'field "spec.minTTL": {spec.min_ttl} is more than spec.ttl ({spec.ttl})'
    twice = next((one for one in spec.alpn if spec.alpn.count(one) > 1), None)
    if twice is not None:
        return f'field "spec.alpn": "{twice}" stands there twice'
    return steering_fault(spec) or specs_fault(spec.routing)


def _slice_fault(value: EndpointSlice) -> str | None:
    if value.address_type == "FQDN":
        return 'field "addressType": FQDN endpoints cannot be reached by address and are not exported'
    family = 4 if value.address_type == "IPv4" else 6
    for index, endpoint in enumerate(value.endpoints or ()):
        if endpoint.hostname and not is_label(endpoint.hostname):
            return f'field "endpoints[{index}].hostname": "{endpoint.hostname[:NAME_MAX]}" is not a DNS label'
        for address in endpoint.addresses:
            why = forbidden_address(address)
            if why is None and (":" in address) != (family == 6):
                why = f"is not of addressType {value.address_type}"
            if why is not None:
                return f'field "endpoints[{index}].addresses": "{address}" {why}'
    return _ports_fault("ports", [(port.name, port.app_protocol or "") for port in value.ports or ()])
