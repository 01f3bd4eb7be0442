"""Tables as `kubectl get` asks for them: columns of the built-in kinds, and those that a definition names."""

import json
import re
from collections.abc import Callable
from typing import Any

from federation.lab.kubernetes import clock
from federation.lab.kubernetes.kinds import Kind

Object = dict[str, Any]
Cells = Callable[[Object], list[Any]]


def _column(name: str, priority: int = 0, sort: str = "string", form: str = "", text: str = "") -> Object:
    return {"name": name, "type": sort, "format": form, "description": text or name, "priority": priority}


NAME = _column("Name", 0, "string", "name", "Name must be unique within a namespace.")
AGE = _column("Age", text="CreationTimestamp is a timestamp representing the server time when this object was created.")
CREATED = _column("Created At", 0, "date")


def _age(value: Object) -> str:
    return clock.age(value["metadata"].get("creationTimestamp", ""))


def _listed(values: list[Any], most: int = 3) -> str:
    more = f" + {len(values) - most} more..." if len(values) > most else ""
    return ",".join(str(one) for one in values[:most]) + more if values else "<none>"


def _labels(said: dict[str, str] | None) -> str:
    return ",".join(f"{key}={value}" for key, value in sorted((said or {}).items())) or "<none>"


def _service(value: Object) -> list[Any]:
    spec = value["spec"]
    external = spec.get("externalName") or _listed(spec.get("externalIPs") or [])
    ports = ",".join(f"{one['port']}/{one['protocol']}" for one in spec.get("ports") or []) or "<none>"
    return [
        spec["type"],
        spec.get("clusterIP") or "<none>",
        external,
        ports,
        _age(value),
        _labels(spec.get("selector")),
    ]


def _slice(value: Object) -> list[Any]:
    ports = [str(one.get("port", "*")) for one in value.get("ports") or []]
    hosts = [host for one in value.get("endpoints") or [] for host in one["addresses"]]
    unset = "<unset>"
    return [value["addressType"], _listed(ports) if ports else unset, _listed(hosts) if hosts else unset, _age(value)]


def _node(value: Object) -> list[Any]:
    info, said = value.get("status", {}).get("nodeInfo", {}), value.get("status", {})
    ready = next((one["status"] for one in said.get("conditions", []) if one["type"] == "Ready"), None)
    state = {"True": "Ready", None: "Unknown"}.get(ready, "NotReady")
    if value.get("spec", {}).get("unschedulable"):
        state += ",SchedulingDisabled"
    prefix = "node-role.kubernetes.io/"
    roles = ",".join(
        sorted(key[len(prefix) :] for key in value["metadata"].get("labels") or {} if key.startswith(prefix))
    )
    found = {one["type"]: one["address"] for one in reversed(said.get("addresses", []))}
    addresses = [found.get(sort, "<none>") for sort in ("InternalIP", "ExternalIP")]
    unknown = "<unknown>"
    more = [info.get(name) or unknown for name in ("osImage", "kernelVersion", "containerRuntimeVersion")]
    return [state, roles or "<none>", _age(value), info.get("kubeletVersion", ""), *addresses, *more]


def _pod(value: Object) -> list[Any]:
    spec, said = value.get("spec", {}), value.get("status", {})
    containers = said.get("containerStatuses", [])
    ready = f"{sum(1 for one in containers if one.get('ready'))}/{len(spec.get('containers', []))}"
    state = "Terminating" if value["metadata"].get("deletionTimestamp") else said.get("phase", "")
    restarts = str(sum(one.get("restartCount", 0) for one in containers))
    none = "<none>"
    return [ready, state, restarts, _age(value), said.get("podIP", none), spec.get("nodeName", none), none, none]


def _event(value: Object) -> list[Any]:
    about = value["involvedObject"]
    last, first = value.get("lastTimestamp") or value.get("eventTime") or "", value.get("firstTimestamp") or ""
    source = value.get("source", {}).get("component") or value.get("reportingComponent", "")
    what = f"{about.get('kind', '').lower()}/{about.get('name', '')}"
    head = [clock.age(last), value.get("type", ""), value.get("reason", ""), what, about.get("fieldPath", ""), source]
    return [*head, value.get("message", ""), clock.age(first), str(value.get("count", 1)), value["metadata"]["name"]]


def _workload(value: Object) -> list[Any]:
    spec, said = value["spec"], value.get("status", {})
    ready = f"{said.get('readyReplicas', 0)}/{spec.get('replicas', 1)}"
    counts = [str(said.get(name, 0)) for name in ("updatedReplicas", "availableReplicas")]
    return [ready, *counts, _age(value), *_containers(value)]


def _containers(value: Object) -> list[Any]:
    found = value["spec"].get("template", {}).get("spec", {}).get("containers", [])
    labels = (value["spec"].get("selector") or {}).get("matchLabels")
    return [",".join(one["name"] for one in found), ",".join(one.get("image", "") for one in found), _labels(labels)]


DAEMON = (
    "desiredNumberScheduled",
    "currentNumberScheduled",
    "numberReady",
    "updatedNumberScheduled",
    "numberAvailable",
)


def _daemon(value: Object) -> list[Any]:
    counts = [value.get("status", {}).get(name, 0) for name in DAEMON]
    nodes = _labels(value["spec"].get("template", {}).get("spec", {}).get("nodeSelector"))
    return [*counts, nodes, _age(value), *_containers(value)]


def _binding(value: Object) -> list[Any]:
    subjects = value.get("subjects") or []
    users = ", ".join(one["name"] for one in subjects if one["kind"] == "User")
    groups = ", ".join(one["name"] for one in subjects if one["kind"] == "Group")
    accounts = ", ".join(f"{one['namespace']}/{one['name']}" for one in subjects if one["kind"] == "ServiceAccount")
    return [f"{value['roleRef']['kind']}/{value['roleRef']['name']}", _age(value), users, groups, accounts]


def _created(value: Object) -> list[Any]:
    return [value["metadata"].get("creationTimestamp")]


BINDING = [_column("Role"), AGE, _column("Users", 1), _column("Groups", 1), _column("ServiceAccounts", 1)]
CONTAINERS = [_column("Containers", 1), _column("Images", 1), _column("Selector", 1)]
INTEGERS = ("Desired", "Current", "Ready", "Up-to-date", "Available")
TABLES: dict[str, tuple[list[Object], Cells]] = {
    "services": (
        [*map(_column, ("Type", "Cluster-IP", "External-IP", "Port(s)")), AGE, _column("Selector", 1)],
        _service,
    ),
    "endpointslices": ([*map(_column, ("AddressType", "Ports", "Endpoints")), AGE], _slice),
    "nodes": (
        [*map(_column, ("Status", "Roles")), AGE, _column("Version")]
        + [
            _column(name, 1)
            for name in ("Internal-IP", "External-IP", "OS-Image", "Kernel-Version", "Container-Runtime")
        ],
        _node,
    ),
    "namespaces": ([_column("Status"), AGE], lambda value: [value["status"].get("phase", ""), _age(value)]),
    "secrets": (
        [_column("Type"), _column("Data"), AGE],
        lambda value: [value.get("type", ""), str(len(value.get("data") or {})), _age(value)],
    ),
    "configmaps": (
        [_column("Data"), AGE],
        lambda value: [str(len(value.get("data") or {}) + len(value.get("binaryData") or {})), _age(value)],
    ),
    "leases": (
        [_column("Holder"), AGE],
        lambda value: [(value.get("spec") or {}).get("holderIdentity", ""), _age(value)],
    ),
    "pods": (
        [*map(_column, ("Ready", "Status", "Restarts")), AGE]
        + [_column(name, 1) for name in ("IP", "Node", "Nominated Node", "Readiness Gates")],
        _pod,
    ),
    "deployments": ([*map(_column, ("Ready", "Up-to-date", "Available")), AGE, *CONTAINERS], _workload),
    "daemonsets": (
        [*(_column(name, 0, "integer") for name in INTEGERS), _column("Node Selector"), AGE, *CONTAINERS],
        _daemon,
    ),
    "customresourcedefinitions": ([CREATED], _created),
    "clusterroles": ([CREATED], _created),
    "roles": ([CREATED], _created),
    "rolebindings": (BINDING, _binding),
    "clusterrolebindings": (BINDING, _binding),
}
EVENT_COLUMNS = [
    *map(_column, ("Last Seen", "Type", "Reason", "Object")),
    *(_column(name, 1) for name in ("Subobject", "Source")),
    _column("Message"),
    *(_column(name, 1) for name in ("First Seen", "Count")),
    {**NAME, "priority": 1},
]


def table(kind: Kind, values: list[Object], meta: Object, include: str) -> Object:
    """A meta.k8s.io/v1 Table of objects; `include` is None, Metadata (as when it is not asked) or Object."""
    columns, cells = _view(kind)
    rows = [{"cells": cells(value), "object": _row_object(value, include)} for value in values]
    for row in rows:
        if row["object"] is None:
            del row["object"]
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": meta,
        "columnDefinitions": columns,
        "rows": rows,
    }


def _row_object(value: Object, include: str) -> Object | None:
    if include == "None":
        return None
    if include == "Object":
        return value
    return {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": value["metadata"]}


def _view(kind: Kind) -> tuple[list[Object], Cells]:
    if kind.plural == "events" and not kind.group:
        return EVENT_COLUMNS, _event
    if kind.custom:
        return _custom(kind)
    columns, cells = TABLES.get(kind.plural, ([AGE], lambda value: [_age(value)]))
    return [NAME, *columns], lambda value: [value["metadata"]["name"], *cells(value)]


def _custom(kind: Kind) -> tuple[list[Object], Cells]:
    said = kind.columns or ({"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},)
    columns = [
        _column(one["name"], one.get("priority", 0), one["type"], one.get("format", ""), one.get("description", ""))
        for one in said
    ]

    def cells(value: Object) -> list[Any]:
        return [value["metadata"]["name"], *(_cell(value, one) for one in said)]

    return [NAME, *columns], cells


def _cell(value: Object, column: Object) -> Any:
    found = at(value, column["jsonPath"])
    if found is None:
        return None
    if column["type"] == "date":
        return clock.age(str(found))
    return json.dumps(found, separators=(",", ":")) if isinstance(found, dict | list) else found


STEP = re.compile(
    r"\.([A-Za-z0-9_-]+(?:\\\.[A-Za-z0-9_/-]+)*)|\[\?\(@\.(\w+)\s*==\s*[\"']([^\"']*)[\"']\)\]|\[(\d+|\*)\]"
)


def at(value: Any, path: str) -> Any:
    """The first value at a JSON path of the kind that printer columns use: fields, indexes, one equality filter."""
    for name, key, wanted, index in STEP.findall(path):
        if name:
            value = value.get(name.replace("\\.", ".")) if isinstance(value, dict) else None
        elif key:
            value = next((one for one in value or [] if str(one.get(key)) == wanted), None)
        elif index == "*":
            value = value[0] if value else None
        else:
            value = value[int(index)] if isinstance(value, list) and len(value) > int(index) else None
        if value is None:
            return None
    return value
