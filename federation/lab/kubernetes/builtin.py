"""What the API server does to built-in kinds beside their schema: defaults, status at birth, refusals."""

import base64
from collections.abc import Iterator
from typing import Any

from federation.lab.kubernetes import clock, names, services, slices, validate
from federation.lab.kubernetes.kinds import Kind
from federation.lab.kubernetes.status import Cause, bad_value, required, too_long, unsupported

Object = dict[str, Any]
DATA_BYTES = 1024 * 1024
APPROVED = "api-approved.kubernetes.io"
WITH_GENERATION = {
    "endpointslices",
    "deployments",
    "daemonsets",
    "jobs",
    "poddisruptionbudgets",
    "customresourcedefinitions",
    "validatingadmissionpolicies",
    "validatingadmissionpolicybindings",
    "validatingwebhookconfigurations",
    "mutatingwebhookconfigurations",
    "pods",
}
CREATED_BY_PUT = {"services", "leases", "events", "roles", "rolebindings", "clusterroles", "clusterrolebindings"}
NEEDS_VERSION = {"leases", "customresourcedefinitions"}
DELETED_RETURNED = {"services", "serviceaccounts", "pods"}


def defaulted(kind: Kind, value: Object) -> Object:
    """The object with what the API server fills in for its kind."""
    if kind.plural == "services":
        return services.defaulted(value)
    if kind.plural == "endpointslices":
        return slices.defaulted(value)
    if kind.plural == "secrets":
        return _secret(value)
    if kind.plural == "namespaces":
        return _namespace(value)
    if kind.plural == "customresourcedefinitions":
        return _definition(value)
    if kind.plural == "pods" and not value.get("status"):
        return {**value, "status": {"phase": "Pending", "qosClass": "BestEffort"}}
    if kind.status and "status" not in value:
        return {**value, "status": {}}
    return value


def _secret(value: Object) -> Object:
    plain = value.get("stringData") or {}
    data = {**(value.get("data") or {}), **{key: base64.b64encode(one.encode()).decode() for key, one in plain.items()}}
    rest = {name: one for name, one in value.items() if name not in ("stringData", "data")}
    return {**rest, **({"data": data} if data else {}), "type": value.get("type") or "Opaque"}


def _namespace(value: Object) -> Object:
    meta = value["metadata"]
    if meta.get("name"):
        meta = {**meta, "labels": {**(meta.get("labels") or {}), "kubernetes.io/metadata.name": meta["name"]}}
    spec = value.get("spec") or {"finalizers": ["kubernetes"]}
    return {**value, "metadata": meta, "spec": spec, "status": value.get("status") or {"phase": "Active"}}


def _definition(value: Object) -> Object:
    spec = dict(value["spec"])
    named = dict(spec.get("names") or {})
    named.setdefault("singular", named.get("kind", "").lower())
    named.setdefault("listKind", f"{named.get('kind', '')}List")
    spec["names"] = named
    spec.setdefault("conversion", {"strategy": "None"})
    return {**value, "spec": spec, "status": value.get("status") or {"conditions": [], "storedVersions": []}}


def established(value: Object) -> Object:
    """A CustomResourceDefinition as it is once its kind is served."""
    at, old = clock.now(), value.get("status", {}).get("conditions") or []
    wanted: tuple[tuple[str, str, str], ...] = (
        ("NamesAccepted", "NoConflicts", "no conflicts found"),
        ("Established", "InitialNamesAccepted", "the initial names have been accepted"),
    )
    approval = value["metadata"].get("annotations", {}).get(APPROVED)
    if approval and _protected(value["spec"]["group"]):
        text = f"approved in {approval}"
        wanted = (*wanted, ("KubernetesAPIApprovalPolicyConformant", "ApprovedAnnotation", text))
    conditions = [one for one in old if one.get("type") in {name for name, _, _ in wanted}] or [
        {"type": name, "status": "True", "lastTransitionTime": at, "reason": reason, "message": text}
        for name, reason, text in wanted
    ]
    stored = next(one["name"] for one in value["spec"]["versions"] if one.get("storage"))
    versions = list(dict.fromkeys([*(value["status"].get("storedVersions") or []), stored]))
    return {
        **value,
        "status": {"conditions": conditions, "acceptedNames": value["spec"]["names"], "storedVersions": versions},
    }


def causes(kind: Kind, value: Object, old: Object | None) -> Iterator[Cause]:
    """All that is wrong with an object of a built-in kind, metadata aside."""
    rule = {
        "services": services.causes,
        "endpointslices": slices.causes,
        "secrets": _data,
        "configmaps": _data,
        "leases": _lease,
        "customresourcedefinitions": _definition_causes,
        "rolebindings": _binding,
        "clusterrolebindings": _binding,
    }.get(kind.plural)
    if rule is not None:
        yield from rule(value, old)


def _data(value: Object, old: Object | None) -> Iterator[Cause]:
    encoded = ("binaryData",) if value["kind"] == "ConfigMap" else ("data",)
    sizes = (_size(one, part in encoded) for part in ("data", "binaryData") for one in (value.get(part) or {}).values())
    size = sum(sizes)
    if old is not None and old.get("immutable") and value.get("data") != old.get("data"):
        yield Cause("data", "FieldValueForbidden", "Forbidden: field is immutable when `immutable` is set")
    if size > DATA_BYTES:
        yield too_long("[]" if value["kind"] == "ConfigMap" else "data", DATA_BYTES)


def _size(text: str, encoded: bool) -> int:
    """Bytes of a value; of one in base64 those that it stands for."""
    return len(text) * 3 // 4 - text.count("=") if encoded else len(text.encode())


def _lease(value: Object, old: Object | None) -> Iterator[Cause]:
    spec = value.get("spec") or {}
    if "leaseDurationSeconds" in spec and spec["leaseDurationSeconds"] <= 0:
        yield bad_value("spec.leaseDurationSeconds", spec["leaseDurationSeconds"], "must be greater than 0")
    if "leaseTransitions" in spec and spec["leaseTransitions"] < 0:
        text = "must be greater than or equal to 0"
        yield bad_value("spec.leaseTransitions", spec["leaseTransitions"], text)


def _binding(value: Object, old: Object | None) -> Iterator[Cause]:
    if old is not None and value.get("roleRef") != old.get("roleRef"):
        yield bad_value("roleRef", value.get("roleRef"), "cannot change roleRef")


def _protected(group: str) -> bool:
    """Groups of the Kubernetes community, whose kinds need an approval."""
    return group.endswith((".k8s.io", ".kubernetes.io")) or group in ("k8s.io", "kubernetes.io")


def _definition_causes(value: Object, old: Object | None) -> Iterator[Cause]:
    spec = value["spec"]
    named, versions = spec["names"], spec.get("versions") or []
    wanted = f"{named.get('plural', '')}.{spec.get('group', '')}"
    if value["metadata"].get("name") != wanted:
        yield bad_value("metadata.name", value["metadata"].get("name"), 'must be spec.names.plural+"."+spec.group')
    if _protected(spec.get("group", "")) and APPROVED not in (value["metadata"].get("annotations") or {}):
        see = "see https://github.com/kubernetes/enhancements/pull/1111"
        why = f'protected groups must have approval annotation "{APPROVED}", {see}'
        yield required(f"metadata.annotations[{APPROVED}]", why)
    if spec.get("scope") not in ("Cluster", "Namespaced"):
        yield unsupported("spec.scope", spec.get("scope", ""), ["Cluster", "Namespaced"])
    if sum(1 for one in versions if one.get("storage")) != 1:
        yield bad_value("spec.versions", None, "must have exactly one version marked as storage version")
    for index, one in enumerate(versions):
        if not one.get("schema", {}).get("openAPIV3Schema"):
            yield required(f"spec.versions[{index}].schema.openAPIV3Schema", "schemas are required")
        else:
            yield from validate.unreadable(
                one["schema"]["openAPIV3Schema"], f"spec.versions[{index}].schema.openAPIV3Schema"
            )
    for field in ("plural", "kind"):
        if not named.get(field):
            yield required(f"spec.names.{field}")
    if named.get("plural") and (fault := names.label(named["plural"])):
        yield bad_value("spec.names.plural", named["plural"], fault)
