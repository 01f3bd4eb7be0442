"""Create, update, patch, apply and delete, each as one step: decode, admit, validate, name the managers, store."""

import json
import random
import uuid
from dataclasses import dataclass, field, replace
from ipaddress import ip_network
from typing import Any

from federation.lab.kubernetes import builtin, clock, names, patches, schema, status, validate
from federation.lab.kubernetes.apply import Manager, applied, stated, updated
from federation.lab.kubernetes.kinds import Kind
from federation.lab.kubernetes.services import Addresses, Network
from federation.lab.kubernetes.status import Cause
from federation.lab.kubernetes.store import Key, Store

Object = dict[str, Any]
OBJECT_BYTES = 1536 * 1024
SUFFIX = "bcdfghjklmnpqrstvwxz2456789"
NAMESPACES = ("", "namespaces")
DEFINITIONS = ("apiextensions.k8s.io", "customresourcedefinitions")


@dataclass
class Options:
    """How a write is asked for. `warnings` collects what is told beside the answer."""

    manager: str = "unknown"
    dry_run: bool = False
    validation: str = "Warn"
    force: bool = False
    subresource: str = ""
    warnings: list[str] = field(default_factory=list)


class Writes:
    """All writes to one store."""

    def __init__(self, store: Store, ranges: tuple[Network, ...] = (ip_network("10.96.0.0/16"),)) -> None:
        self.store = store
        self.addresses = Addresses(ranges)
        self.random = random.Random()  # noqa: S311 names of objects are no secrets

    def create(self, kind: Kind, namespace: str, body: Object, options: Options) -> Object:
        """A new object; 409 when there is one, 404 without its namespace, 422 for what its schema forbids."""
        value = self._decoded(kind, namespace, body, options)
        meta = value["metadata"]
        if meta.get("resourceVersion"):
            raise status.Refused(500, "", "resourceVersion should not be set on objects to be created")
        if not meta.get("name") and meta.get("generateName"):
            meta["name"] = meta["generateName"][:58] + "".join(self.random.choices(SUFFIX, k=5))
        self._may_live_in(kind, namespace, meta.get("name", ""))
        value = self._born(kind, value, options)
        return self._stored(kind, None, value, replace(options, subresource=""))

    def _born(self, kind: Kind, value: Object, options: Options) -> Object:
        gone = ("deletionTimestamp", "deletionGracePeriodSeconds", "selfLink", "generation")
        meta = {name: one for name, one in value["metadata"].items() if name not in gone}
        meta |= {"uid": str(uuid.uuid4()), "creationTimestamp": clock.now()}
        if kind.custom or kind.plural in builtin.WITH_GENERATION:
            meta["generation"] = 1
        without_status = {name: one for name, one in value.items() if not (kind.status and name == "status")}
        return {**without_status, "metadata": meta}

    def update(self, kind: Kind, namespace: str, name: str, body: Object, options: Options) -> Object:
        """Replace an object, or its status alone; 409 when it has moved on since the version that the body states."""
        live = self.store.get(kind.stored_as, (namespace, name))
        value = self._decoded(kind, namespace, body, options)
        said = value["metadata"].get("name")
        if said != name:
            text = f"the name of the object ({said or ''}) does not match the name on the URL ({name})"
            raise status.bad_request(text if said else "name must be provided")
        if live is None:
            if options.subresource or kind.plural not in builtin.CREATED_BY_PUT:
                raise status.not_found(kind.group, kind.plural, name)
            return self.create(kind, namespace, body, options)
        return self._changed(kind, live, value, options)

    def _changed(self, kind: Kind, live: Object, value: Object, options: Options) -> Object:
        meta, old = value["metadata"], live["metadata"]
        name = old["name"]
        if meta.get("uid") and meta["uid"] != old["uid"]:
            why = f"Precondition failed: UID in precondition: {meta['uid']}, UID in object meta: {old['uid']}"
            raise status.conflict(kind.group, kind.plural, name, why)
        version = meta.get("resourceVersion")
        if not version and not options.subresource and (kind.custom or kind.plural in builtin.NEEDS_VERSION):
            cause = status.bad_value("metadata.resourceVersion", 0, "must be specified for an update")
            raise status.invalid(kind.group, kind.plural, name, [cause])
        if version and version not in ("0", old["resourceVersion"]):
            raise status.modified(kind.group, kind.plural, name)
        return self._stored(kind, live, _isolated(kind, live, value, options.subresource), options)

    def patch(self, kind: Kind, namespace: str, name: str, sort: str, body: Any, options: Options) -> Object:
        """Apply a patch of a content type to an object."""
        key = (namespace, name)
        live = self.store.get(kind.stored_as, key)
        if live is None:
            raise status.not_found(kind.group, kind.plural, name)
        shown = as_version(kind, live)
        if sort == "application/merge-patch+json":
            value = patches.merge(shown, body)
        elif sort == "application/json-patch+json":
            value = patches.json_patch(shown, body)
        else:
            value = patches.strategic(schema.root(kind), shown, body)
        if not isinstance(value, dict):
            raise status.bad_request("the patch does not give an object")
        value.setdefault("metadata", {})
        return self.update(kind, namespace, name, value, options)

    def apply(self, kind: Kind, namespace: str, name: str, config: Object, options: Options) -> tuple[Object, bool]:
        """Server-side apply: the object and whether it is new; 409 with the conflicting fields unless forced."""
        live = self.store.get(kind.stored_as, (namespace, name))
        if config.get("metadata", {}).get("managedFields") is not None:
            raise status.bad_request("metadata.managedFields must be nil")
        config = self._decoded(kind, namespace, config, options)
        said = config["metadata"].setdefault("name", name)
        if said != name:
            text = f"the name of the object ({said}) does not match the name on the URL ({name})"
            raise status.bad_request(text)
        if live is None and options.subresource:
            raise status.not_found(kind.group, kind.plural, name)
        self._fits_version(kind, live, config)
        who = self._manager(kind, options, "Apply")
        config = _isolated_config(kind, config, options.subresource)
        shown = as_version(kind, live) if live else None
        merged, managers = applied(kind, shown, config, who, options.force)
        if live is None:
            self._may_live_in(kind, namespace, name)
            return self._stored(kind, None, self._born(kind, merged, options), options, managers), True
        merged["metadata"] = {**merged["metadata"], "resourceVersion": live["metadata"]["resourceVersion"]}
        value = _isolated(kind, live, merged, options.subresource)
        return self._stored(kind, live, value, options, managers), False

    def _fits_version(self, kind: Kind, live: Object | None, config: Object) -> None:
        version = config["metadata"].get("resourceVersion")
        if version and (live is None or version != live["metadata"]["resourceVersion"]):
            raise status.modified(kind.group, kind.plural, config["metadata"]["name"])

    def delete(self, kind: Kind, namespace: str, name: str, asked: Object, options: Options) -> tuple[Object, bool]:
        """Delete an object, or mark it when finalizers hold it: its last state and whether it is gone."""
        key = (namespace, name)
        live = self.store.get(kind.stored_as, key)
        if live is None:
            raise status.not_found(kind.group, kind.plural, name)
        _preconditions(kind, live, asked.get("preconditions") or {})
        meta = dict(live["metadata"])
        extra = {"Orphan": "orphan", "Foreground": "foregroundDeletion"}.get(asked.get("propagationPolicy") or "")
        finalizers = list(dict.fromkeys([*(meta.get("finalizers") or []), *([extra] if extra else [])]))
        held = bool(finalizers) or kind.stored_as == NAMESPACES
        if options.dry_run:
            return live, not held
        if not held:
            return self._removed(kind, key), True
        if meta.get("deletionTimestamp"):
            return live, False
        meta |= {"deletionTimestamp": clock.now(), "deletionGracePeriodSeconds": 0}
        if finalizers:
            meta["finalizers"] = finalizers
        if kind.custom or kind.plural in builtin.WITH_GENERATION:
            meta["generation"] = meta.get("generation", 1) + 1
        value = {**live, "metadata": meta}
        if kind.stored_as == NAMESPACES:
            del meta["deletionGracePeriodSeconds"]
            value["status"] = {**live.get("status", {}), "phase": "Terminating"}
        return self.store.put(kind.stored_as, key, value), False

    def _removed(self, kind: Kind, key: Key) -> Object:
        if kind.stored_as == DEFINITIONS:
            spec = self.store.of(DEFINITIONS)[key]["spec"]
            collection = spec["group"], spec["names"]["plural"]
            for other in list(self.store.of(collection)):
                self.store.delete(collection, other)
        return self.store.delete(kind.stored_as, key)

    def _may_live_in(self, kind: Kind, namespace: str, name: str) -> None:
        if not kind.namespaced:
            return
        home = self.store.get(NAMESPACES, ("", namespace))
        if home is None:
            raise status.not_found("", "namespaces", namespace)
        if home["metadata"].get("deletionTimestamp"):
            why = f"unable to create new content in namespace {namespace} because it is being terminated"
            cause = {
                "reason": "NamespaceTerminating",
                "message": f"namespace {namespace} is being terminated",
                "field": "metadata.namespace",
            }
            raise status.forbidden(kind.group, kind.plural, name, why, [cause])

    def _decoded(self, kind: Kind, namespace: str, body: Object, options: Options) -> Object:
        said = (body.get("apiVersion"), body.get("kind"))
        if said != (kind.api_version, kind.kind):
            raise _unconvertible(kind, body)
        value, unknown = schema.pruned(schema.root(kind), body)
        texts = [f'unknown field "{path}"' for path in sorted(unknown)]
        if texts and options.validation == "Strict":
            said_text = f"strict decoding error: {', '.join(texts)}"
            raise status.bad_request(_cannot(kind, said_text))
        if options.validation == "Warn":
            options.warnings += texts
        if not kind.custom:
            for path, one, wanted in schema.typed(schema.root(kind), value):
                raise status.bad_request(_cannot(kind, _unmarshal(kind, path, one, wanted)))
        meta = dict(value.get("metadata") or {})
        if kind.namespaced:
            if meta.get("namespace") not in (None, "", namespace):
                text = "the namespace of the provided object does not match the namespace sent on the request"
                raise status.bad_request(text)
            meta["namespace"] = namespace
        else:
            meta.pop("namespace", None)
        return {**value, "metadata": meta}

    def _manager(self, kind: Kind, options: Options, operation: str) -> Manager:
        sub = options.subresource
        return Manager(options.manager, operation, kind.api_version, sub, frozenset(), clock.now())

    def _stored(
        self,
        kind: Kind,
        live: Object | None,
        value: Object,
        options: Options,
        managers: list[Manager] | None = None,
    ) -> Object:
        meta = value["metadata"]
        value = schema.defaulted(schema.root(kind), value)
        value = value if kind.custom else builtin.defaulted(kind, schema.lean(schema.root(kind), value))
        value["metadata"] = meta = schema.lean(schema.root(kind)["properties"]["metadata"], value["metadata"])
        if managers is None:
            managers = updated(kind, live, value, self._manager(kind, options, "Update"))
        value, causes = self._admitted(kind, live, value, options)
        if causes:
            raise status.invalid(kind.group, kind.kind, meta.get("name", ""), causes)
        key = (meta.get("namespace", "") if kind.namespaced else "", meta["name"])
        if live is None and self.store.get(kind.stored_as, key) is not None:
            raise status.already_exists(kind.group, kind.plural, meta["name"])
        return self._kept(kind, live, key, self._with_managers(kind, live, value, managers), options)

    def _admitted(self, kind: Kind, live: Object | None, value: Object, options: Options) -> tuple[Object, list[Cause]]:
        causes = list(names.causes(kind.plural, value["metadata"]))
        if kind.custom:
            old = live if live is not None else validate.ABSENT
            return value, causes + validate.causes(schema.root(kind), value, old)
        if kind.plural == "services" and not options.subresource:
            taken = {
                ip
                for one in self.store.of(kind.stored_as).values()
                if live is None or one["metadata"]["uid"] != live["metadata"]["uid"]
                for ip in one["spec"].get("clusterIPs", ())
            }
            asked, causes_before = value, causes + list(builtin.causes(kind, value, None))
            if causes_before:
                return value, causes_before
            value, wrong = self.addresses.given(asked, taken, live)
            kept = list(builtin.causes(kind, value, live))
            return value, kept or wrong
        return value, causes + list(builtin.causes(kind, value, live))

    def _with_managers(self, kind: Kind, live: Object | None, value: Object, managers: list[Manager]) -> Object:
        meta = {name: one for name, one in value["metadata"].items() if name != "managedFields"}
        entries = stated(managers)
        if live is not None and _spec_differs(kind, live, value) and "generation" in live["metadata"]:
            meta["generation"] = live["metadata"]["generation"] + 1
        return {**value, "metadata": {**meta, **({"managedFields": entries} if entries else {})}}

    def _kept(self, kind: Kind, live: Object | None, key: Key, value: Object, options: Options) -> Object:
        value = {**value, "apiVersion": f"{kind.group}/{kind.storage_version}" if kind.custom else kind.api_version}
        if kind.stored_as == DEFINITIONS:
            value = builtin.established(value)
        if live is not None and _same(live, value):
            return live
        if len(json.dumps(value, separators=(",", ":"))) > OBJECT_BYTES:
            raise status.Refused(500, "", "etcdserver: request is too large")
        if options.dry_run:
            return value
        stored = self.store.put(kind.stored_as, key, value)
        meta = stored["metadata"]
        if meta.get("deletionTimestamp") and not meta.get("finalizers") and kind.stored_as != NAMESPACES:
            return self._removed(kind, key)
        return stored


def as_version(kind: Kind, value: Object) -> Object:
    """A stored object as this version of its kind serves it."""
    return {"kind": kind.kind, **value, "apiVersion": kind.api_version}


def _isolated(kind: Kind, live: Object, value: Object, subresource: str) -> Object:
    old = live["metadata"]
    kept = (
        "uid",
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "generation",
        "name",
        "namespace",
    )
    meta = {**value["metadata"], **{name: old[name] for name in kept if name in old}}
    if old.get("generateName"):
        meta["generateName"] = old["generateName"]
    if not kind.status:
        return {**value, "metadata": meta}
    if subresource == "status":
        fixed = {**old, "managedFields": value["metadata"].get("managedFields", old.get("managedFields"))}
        if fixed["managedFields"] is None:
            del fixed["managedFields"]
        moved = {name: one for name, one in live.items() if name != "status"}
        return {**moved, **({"status": value["status"]} if "status" in value else {}), "metadata": fixed}
    rest = {name: one for name, one in value.items() if name != "status"}
    return {**rest, **({"status": live["status"]} if "status" in live else {}), "metadata": meta}


def _isolated_config(kind: Kind, config: Object, subresource: str) -> Object:
    if not kind.status:
        return config
    if subresource == "status":
        names_only = {name: one for name, one in config["metadata"].items() if name in ("name", "namespace")}
        kept = {name: one for name, one in config.items() if name in ("apiVersion", "kind", "status")}
        return {**kept, "metadata": names_only}
    return {name: one for name, one in config.items() if name != "status"}


def _spec_differs(kind: Kind, live: Object, value: Object) -> bool:
    if kind.plural == "endpointslices" and bare(live)["metadata"] != bare(value)["metadata"]:
        return True
    skipped = ("metadata", "apiVersion", "kind", *(("status",) if kind.status else ()))
    return {k: v for k, v in live.items() if k not in skipped} != {k: v for k, v in value.items() if k not in skipped}


def bare(one: Object) -> Object:
    """An object without its version, its managers and its generation."""
    skipped = ("resourceVersion", "managedFields", "generation")
    return {**one, "metadata": {name: said for name, said in one["metadata"].items() if name not in skipped}}


def _same(live: Object, value: Object) -> bool:
    return bare(live) == bare(value) and _entries(live) == _entries(value)


def _entries(one: Object) -> list[Object]:
    found = one["metadata"].get("managedFields") or []
    return sorted(({name: said for name, said in entry.items() if name != "time"} for entry in found), key=str)


def _preconditions(kind: Kind, live: Object, asked: Object) -> None:
    meta = live["metadata"]
    uid, version = asked.get("uid"), asked.get("resourceVersion")
    text = ""
    if uid and uid != meta["uid"]:
        text = f"the UID in the precondition ({uid}) does not match the UID in record ({meta['uid']})."
        text += " The object might have been deleted and then recreated"
    elif version and version != meta["resourceVersion"]:
        text = f"the ResourceVersion in the precondition ({version}) does not match the ResourceVersion in record"
        text += f" ({meta['resourceVersion']}). The object might have been modified"
    if text:
        raise status.conflict(kind.group, kind.kind, meta["name"], text)


def _cannot(kind: Kind, why: str) -> str:
    return f'{kind.kind} in version "{kind.version}" cannot be handled as a {kind.kind}: {why}'


GO_TYPES = {"integer": "int32", "string": "string", "boolean": "bool", "number": "float64"}


def _unmarshal(kind: Kind, path: str, value: Any, wanted: str) -> str:
    words = {str: "string", bool: "bool", int: "number", float: "number", list: "array", dict: "object"}
    where = f"{kind.kind}.{path}".replace("[", ".").replace("]", "")
    into = f"{where} of type {GO_TYPES.get(wanted, wanted)}"
    return f"json: cannot unmarshal {words[type(value)]} into Go struct field {into}"


def _unconvertible(kind: Kind, body: Object) -> status.Refused:
    version, name = body.get("apiVersion") or "", body.get("kind") or ""
    if not version or not name:
        missing = "Object 'Kind' is missing" if not name else "Object 'apiVersion' is missing"
        return status.bad_request(f"{missing} in '{status.shown(body)[:200]}'")
    if version != kind.api_version:
        text = f"the API version in the data ({version}) does not match the expected API version ({kind.api_version})"
        return status.bad_request(text)
    ours, theirs = kind.group.partition(".")[0] or "core", version.rpartition("/")[2]
    text = f"converting ({theirs}.{name}) to ({ours}.{kind.kind}): unknown conversion"
    return status.bad_request(f'{name} in version "{theirs}" cannot be handled as a {kind.kind}: {text}')
