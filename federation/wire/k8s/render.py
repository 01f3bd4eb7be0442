"""What shall stand in our cluster, as Kubernetes objects (core/v1, discovery/v1, mcs-api v0.5.0). Pure."""

from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import chain, count
from typing import Any

from federation.model.handout import Listener
from federation.model.imported import (
    ClusterObject,
    Condition,
    DerivedService,
    ImportObject,
    ListenerSlice,
    MemberObject,
    Placed,
    Property,
    Said,
    SourceSlice,
)
from federation.model.record import EndpointState, Port, Traits
from federation.ports import Wanted
from federation.wire.k8s.naming import derived_name, kept, mark
from federation.wire.k8s.translate import (
    MANAGER,
    MANAGER_LABEL,
    MCS_SERVICE_LABEL,
    MCS_SOURCE_LABEL,
    SERVICE_LABEL,
    SLICE_MANAGER,
    SLICE_MANAGER_LABEL,
)

Json = dict[str, Any]
MCS = "multicluster.x-k8s.io/v1beta1"
API_VERSIONS = {"ServiceExport": MCS}
OURS = "isthmus.dev/v1alpha1"
ABOUT = "about.k8s.io/v1beta1"
SLICES = "discovery.k8s.io/v1"
MESSAGE_MAX = 32_768
"""Characters of a condition's message (meta/v1 Condition)."""
_CONDITIONS: dict[EndpointState, Json] = {
    "ready": {"ready": True, "serving": True, "terminating": False},
    "unready": {"ready": False, "serving": False, "terminating": False},
    "draining": {"ready": False, "serving": True, "terminating": True},
}


def render(wanted: ClusterObject) -> Wanted:
    """The Kubernetes object."""
    match wanted:
        case ImportObject():
            return _import(wanted)
        case DerivedService():
            return _derived(wanted)
        case ListenerSlice():
            return _listener_slice(wanted)
        case SourceSlice():
            return _source_slice(wanted)
        case Said():
            return _said(wanted)
        case MemberObject():
            return _member(wanted)
        case Property():
            spec = {"value": wanted.value}
            body = {"metadata": {"labels": {MANAGER_LABEL: MANAGER}}, "spec": spec}
            return Wanted(api_version=ABOUT, kind="ClusterProperty", namespace="", name=wanted.name, body=body)


def conditions(found: Iterable[Condition], generation: int) -> list[Json]:
    """Conditions of a status (meta/v1 Condition), without the time of their last change. `generation` 0: of an
    object that has no spec of somebody else.
    """
    seen = {"observedGeneration": generation} if generation else {}
    return [
        {
            "type": one.type,
            "status": "True" if one.status else "False",
            "reason": one.reason,
            "message": one.message[:MESSAGE_MAX],
        }
        | seen
        for one in found
    ]


def _import(wanted: ImportObject) -> Wanted:
    traits = wanted.traits
    spec: Json = {
        "type": wanted.kind,
        "ports": [_port(port) for port in wanted.ports],
        "ips": list(wanted.addresses),
        "ipFamilies": list(wanted.families),
        "sessionAffinity": traits.session_affinity,
        **_optional(
            sessionAffinityConfig=_affinity(traits),
            internalTrafficPolicy=traits.internal_traffic_policy,
            trafficDistribution=traits.traffic_distribution,
        ),
    }
    metadata: Json = {"labels": {**traits.labels, MANAGER_LABEL: MANAGER}} | _optional(annotations=traits.annotations)
    return Wanted(
        api_version=MCS,
        kind="ServiceImport",
        namespace=wanted.service.namespace,
        name=wanted.service.name,
        body={"metadata": metadata, "spec": spec},
        status={
            "clusters": [{"cluster": name} for name in wanted.clusters],
            "conditions": conditions(wanted.conditions, 0),
        },
    )


def _derived(wanted: DerivedService) -> Wanted:
    ports = [{**_port(port), "name": port.name, "targetPort": number} for port, number in _named(wanted.ports)]
    spec: Json = {
        "type": "ClusterIP",
        "ports": ports,
        "internalTrafficPolicy": "Local",
        "ipFamilyPolicy": "PreferDualStack" if wanted.dual_stack else "SingleStack",
        **_optional(clusterIP="".join(wanted.again[:1]), clusterIPs=list(wanted.again)),
    }
    return Wanted(
        api_version="v1",
        kind="Service",
        namespace=wanted.service.namespace,
        name=derived_name(wanted.service),
        body={"metadata": {"labels": {MANAGER_LABEL: MANAGER, MCS_SERVICE_LABEL: wanted.service.name}}, "spec": spec},
    )


def _listener_slice(wanted: ListenerSlice) -> Wanted:
    owner = derived_name(wanted.service)
    ports = [{"name": port.name, "port": number, "protocol": port.protocol} for port, number in _named(wanted.ports)]
    return _slice(
        wanted.service.namespace,
        f"{owner}-{mark(f'{wanted.family}/{wanted.bucket}')}",
        {SERVICE_LABEL: owner},
        {
            "addressType": wanted.family,
            "ports": ports,
            "endpoints": [
                {"addresses": [address], "nodeName": node, "conditions": _CONDITIONS["ready"]}
                for node, address in wanted.nodes
            ],
        },
    )


def _source_slice(wanted: SourceSlice) -> Wanted:
    ports = [{"name": port.name, **_port(port)} for port in wanted.ports]
    number = f"{wanted.service}/{wanted.source}/{wanted.family}/{[tuple(p.items()) for p in ports]}/{wanted.bucket}"
    return _slice(
        wanted.service.namespace,
        f"imported-{kept(wanted.service.name)}-{kept(wanted.source)}-{mark(number)}",
        {MCS_SERVICE_LABEL: wanted.service.name, MCS_SOURCE_LABEL: wanted.source},
        {"addressType": wanted.family, "ports": ports, "endpoints": [_endpoint(one) for one in wanted.endpoints]},
    )


def _slice(namespace: str, name: str, labels: Json, content: Json) -> Wanted:
    labels = {MANAGER_LABEL: MANAGER, SLICE_MANAGER_LABEL: SLICE_MANAGER, **labels}
    return Wanted(
        api_version=SLICES,
        kind="EndpointSlice",
        namespace=namespace,
        name=name,
        body={"metadata": {"labels": labels}, **content},
    )


def _endpoint(one: Placed) -> Json:
    made = {"addresses": [one.address], "conditions": _CONDITIONS[one.state]}
    return made | _optional(hostname=one.hostname, zone=one.az)


def _said(wanted: Said) -> Wanted:
    return Wanted(
        api_version=API_VERSIONS.get(wanted.kind, OURS),
        kind=wanted.kind,
        namespace=wanted.namespace,
        name=wanted.name,
        body=None,
        status={"conditions": conditions(wanted.conditions, wanted.generation)},
    )


def _member(wanted: MemberObject) -> Wanted:
    status: Json = {
        "number": wanted.number,
        "region": wanted.region,
        "connected": wanted.connected,
        "addresses": list(wanted.addresses),
        "exports": wanted.exports,
        "conditions": conditions(wanted.conditions, 0),
    }
    if wanted.last_heard:
        heard = datetime.fromtimestamp(wanted.last_heard, UTC)
        status["lastHeard"] = heard.strftime("%Y-%m-%dT%H:%M:%SZ")
    return Wanted(
        api_version=OURS,
        kind="MemberCluster",
        namespace="",
        name=wanted.member,
        body={"metadata": {"labels": {MANAGER_LABEL: MANAGER}}},
        status=status,
    )


def _port(port: Port | Listener) -> Json:
    return {"port": port.port, "protocol": port.protocol} | _optional(name=port.name, appProtocol=port.app_protocol)


def _named(ports: tuple[Listener, ...]) -> list[tuple[Port, int]]:
    """Each port with the name that it has in a Service, where several must all have one, and its listener."""
    alone, taken = len(ports) == 1, {port.name for port in ports}
    return [
        (Port(p.name or ("" if alone else _free_name(p, taken)), p.port, p.protocol, p.app_protocol), p.listener)
        for p in ports
    ]


def _free_name(port: Listener, taken: set[str]) -> str:
    """A name that no other port has."""
    plain = f"{port.protocol.lower()}-{port.port}"
    return next(name for name in chain((plain,), (f"{plain}-{n}" for n in count(2))) if name not in taken)


def _affinity(traits: Traits) -> Json:
    return {"clientIP": {"timeoutSeconds": traits.affinity_seconds}} if traits.affinity_seconds else {}


def _optional(**fields: Any) -> Json:
    return {name: value for name, value in fields.items() if value}
