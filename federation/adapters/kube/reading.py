"""An object as the API sends it -> what we keep of it, or what is wrong with it alone."""

from __future__ import annotations

import re
import sys

import msgspec
from msgspec import Struct
from msgspec.structs import force_setattr

from federation.adapters.kube.kinds import Kind, ObjectKey
from federation.adapters.outside import external_addresses
from federation.model.names import ServiceKey, is_label
from federation.wire.k8s.check import fault
from federation.wire.k8s.translate import SERVICE_LABEL
from federation.wire.k8s.types import (
    KINDS,
    AccessPolicy,
    ClusterObject,
    Drain,
    EgressPolicy,
    EndpointConditions,
    EndpointSlice,
    GlobalName,
    Node,
    Pod,
    ServiceExport,
    SliceEndpoint,
    TrafficPolicy,
)

ANNOTATIONS_MAX = 262_144
"""Bytes of an object's annotations in all (Kubernetes, Annotations)."""
INITIAL_EVENTS_END = "k8s.io/initial-events-end"
TYPES: dict[str, type[ClusterObject]] = {**KINDS, "Node": Node, "Pod": Pod}
"""Kinds that the world is made of; of the others only the writer knows."""
_PATH = re.compile(r" - at `\$\.?(.*)`$")
_CONDITIONS: dict[tuple[bool | None, bool | None, bool | None], EndpointConditions] = {}


class HeadMeta(Struct, frozen=True, rename="camel"):
    """What every object's metadata says."""

    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    deletion_timestamp: str | None = None
    labels: dict[str, str] | None = None


class Head(Struct, frozen=True):
    """An object without its content."""

    metadata: HeadMeta = HeadMeta()


class _BookmarkMeta(Struct, frozen=True, rename="camel"):
    resource_version: str = ""
    annotations: dict[str, str] | None = None


class Bookmark(Struct, frozen=True):
    """A watch's BOOKMARK: its version, and whether the initial events end here."""

    metadata: _BookmarkMeta = _BookmarkMeta()

    @property
    def ends_initial(self) -> bool:
        """True for the bookmark that ends the initial events of a WatchList."""
        return (self.metadata.annotations or {}).get(INITIAL_EVENTS_END) == "true"


class Wrong(Exception):
    """Field and reason, for one object."""


def read_head(kind: Kind, raw: msgspec.Raw) -> tuple[ObjectKey, HeadMeta]:
    """Which object this is. MsgspecError when it has no metadata at all."""
    meta = msgspec.json.decode(raw, type=Head).metadata
    return (kind.name, meta.namespace if kind.namespaced else "", meta.name), meta


def is_marked(kind: Kind, meta: HeadMeta) -> bool:
    """True for what bears our mark."""
    label, value = kind.mark
    return (meta.labels or {}).get(label) == value


class _Named(Struct, frozen=True):
    service: str = ""


class _Naming(Struct, frozen=True):
    spec: _Named = _Named()


def named_service(key: ObjectKey, raw: msgspec.Raw) -> ServiceKey | None:
    """The service that a malformed object is about, where that much can be read."""
    try:
        if key[0] in ("GlobalName", "AccessPolicy"):
            name = msgspec.json.decode(raw, type=_Naming).spec.service or ("" if key[0] == "GlobalName" else key[2])
        elif key[0] == "EndpointSlice":
            name = (msgspec.json.decode(raw, type=Head).metadata.labels or {}).get(SERVICE_LABEL, "")
        else:
            name = key[2]
    except msgspec.MsgspecError:
        return None
    return ServiceKey(key[1], name) if is_label(name) else None


def read_object(kind: Kind, raw: msgspec.Raw) -> ClusterObject | None:
    """What the world needs of this object; None for a kind that only the writer looks at. Wrong."""
    wanted = TYPES.get(kind.name)
    if wanted is None:
        return None
    try:
        value = msgspec.json.decode(raw, type=wanted)
    except msgspec.MsgspecError as error:
        raise Wrong(_typed_text(str(error))) from None
    size = sum(len(key) + len(text.encode()) for key, text in value.metadata.annotations.items())
    if size > ANNOTATIONS_MAX:
        raise Wrong(f'field "metadata.annotations": {size} bytes, more than {ANNOTATIONS_MAX}: shorten them')
    wrong = fault(value)
    if wrong is not None:
        raise Wrong(wrong)
    _keep_little(kind, value)
    return value


def _typed_text(error: str) -> str:
    match = _PATH.search(error)
    what = error[: match.start()] if match else error
    what = what.replace("`", "")
    return f'field "{(match[1] if match else "") or "(object)"}": {what[0].lower()}{what[1:]}'


def _keep_little(kind: Kind, value: ClusterObject) -> None:
    """Drop what nobody reads and keep each repeated text once: a hundred thousand endpoints are held for long."""
    meta = value.metadata
    force_setattr(meta, "managed_fields", [])
    force_setattr(meta, "owner_references", [])
    force_setattr(meta, "resource_version", "")
    force_setattr(meta, "namespace", sys.intern(meta.namespace) if kind.namespaced else "")
    if isinstance(value, ServiceExport | TrafficPolicy | AccessPolicy | EgressPolicy | GlobalName | Drain):
        force_setattr(value, "status", None)
    if isinstance(value, Node):
        outside = [{"type": "ExternalIP", "address": one} for one in external_addresses(value.status)]
        force_setattr(value, "status", {"addresses": outside} if outside else None)
    if isinstance(value, EndpointSlice):
        for endpoint in value.endpoints or ():
            _keep_little_of(endpoint)


def _keep_little_of(endpoint: SliceEndpoint) -> None:
    said = endpoint.conditions
    key = (said.ready, said.serving, said.terminating)
    force_setattr(endpoint, "conditions", _CONDITIONS.setdefault(key, said))
    force_setattr(endpoint, "target_ref", None)
    force_setattr(endpoint, "hints", None)
    force_setattr(endpoint, "deprecated_topology", None)
    force_setattr(endpoint, "node_name", sys.intern(endpoint.node_name) if endpoint.node_name else None)
    force_setattr(endpoint, "zone", sys.intern(endpoint.zone) if endpoint.zone else None)
