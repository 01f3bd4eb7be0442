"""Server-side apply: merge by schema, conflicts between field managers, removal of what is applied no longer."""

from dataclasses import dataclass, replace
from typing import Any

from federation.lab.kubernetes import fields, status
from federation.lab.kubernetes.fields import Fields
from federation.lab.kubernetes.kinds import Kind
from federation.lab.kubernetes.schema import root

Object = dict[str, Any]
META = ("name", "namespace", "creationTimestamp", "selfLink", "uid", "generation", "managedFields", "resourceVersion")
MOST_UPDATERS = 10


@dataclass(frozen=True)
class Manager:
    """Who owns fields: one entry of managedFields."""

    name: str
    operation: str
    api_version: str
    subresource: str
    owned: Fields
    time: str

    @property
    def key(self) -> tuple[str, str, str]:
        """What tells it from other managers of one object and version."""
        return self.name, self.operation, self.subresource


def managers_of(value: Object | None) -> list[Manager]:
    """The managers that an object names; raises 400 for fields that cannot be read."""
    entries = (value or {}).get("metadata", {}).get("managedFields") or []
    return [
        Manager(
            entry.get("manager", ""),
            entry.get("operation", "Update"),
            entry.get("apiVersion", ""),
            entry.get("subresource", ""),
            fields.read(entry.get("fieldsV1", {})),
            entry.get("time", ""),
        )
        for entry in entries
    ]


def stated(managers: list[Manager]) -> list[Object]:
    """The managedFields that name these managers, Apply before Update; who owns nothing is left out."""
    order = sorted((one for one in managers if one.owned), key=lambda one: (one.operation, one.time, one.name))
    return [_entry(one) for one in order]


def _entry(one: Manager) -> Object:
    said: Object = {"manager": one.name, "operation": one.operation, "apiVersion": one.api_version, "time": one.time}
    said |= {"fieldsType": "FieldsV1", "fieldsV1": fields.written(one.owned)}
    return said | ({"subresource": one.subresource} if one.subresource else {})


def owned_part(value: Object) -> Object:
    """An object without what nobody can own: apiVersion, kind and the server's metadata."""
    rest = {name: one for name, one in value.items() if name not in ("apiVersion", "kind", "metadata")}
    meta = {name: one for name, one in value.get("metadata", {}).items() if name not in META}
    return {"metadata": meta, **rest} if meta else rest


def updated(kind: Kind, before: Object | None, after: Object, who: Manager) -> list[Manager]:
    """The managers after a write that is no apply: what it changed is the writer's, what it removed nobody's."""
    schema, old, new = root(kind), owned_part(before or {}), owned_part(after)
    said = after["metadata"].get("managedFields")
    managers = managers_of(after if said is not None else before)
    if said == [] or said == [{}]:
        return []
    touched = fields.changed(schema, old, new) - _reset(who.subresource, new)
    here = fields.present(schema, new)
    mine = touched
    others = []
    for one in managers:
        if one.key == who.key:
            mine = (one.owned | touched) & here
            who = replace(who, time=one.time) if mine == one.owned else who
            continue
        others.append(replace(one, owned=(one.owned - touched) & here))
    return [*others, replace(who, owned=mine & here)]


def _reset(subresource: str, value: Object) -> Fields:
    return (
        frozenset() if subresource else fields.of({}, {"status": value["status"]}) if "status" in value else frozenset()
    )


def applied(kind: Kind, live: Object | None, config: Object, who: Manager, force: bool) -> tuple[Object, list[Manager]]:
    """What an apply makes of the live object, and the managers after it; raises 409 with each conflict."""
    schema = root(kind)
    claimed = fields.of(schema, owned_part(config))
    managers = managers_of(live)
    last = next((one for one in managers if one.key == who.key), None)
    others = [one for one in managers if one.key != who.key]
    merged = merge(schema, live or {}, config)
    if last is not None:
        held = frozenset().union(claimed, *(one.owned for one in others))
        merged = fields.without(schema, merged, _prunable(last.owned - held, held))
    touched = fields.changed(schema, owned_part(live or {}), owned_part(merged))
    fights = [(one, path) for one in others for path in sorted(one.owned & touched & claimed, key=str)]
    if fights and not force:
        raise conflicts(fights)
    here = fields.present(schema, owned_part(merged))
    left = [replace(one, owned=(one.owned - (touched & claimed)) & here) for one in others]
    who = replace(who, owned=claimed)
    if last is not None and last.owned == claimed:
        who = replace(who, time=last.time)
    return merged, [*left, who]


def _prunable(gone: Fields, held: Fields) -> Fields:
    prefixes = {path[:length] for path in held for length in range(1, len(path) + 1)}
    return frozenset(path for path in gone if path not in prefixes)


def conflicts(fights: list[tuple[Manager, fields.Path]]) -> status.Refused:
    """409 that names each manager and the fields that it has otherwise."""
    causes = [
        {"reason": "FieldManagerConflict", "message": f"conflict with {_named(one)}", "field": fields.dotted(path)}
        for one, path in fights
    ]
    if len(fights) == 1:
        text = f"Apply failed with 1 conflict: {causes[0]['message']}: {causes[0]['field']}"
    else:
        text = f"Apply failed with {len(fights)} conflicts: {_listed(fights)}"
    return status.Refused(409, "Conflict", text, {"causes": causes})


def _named(one: Manager) -> str:
    version = f" using {one.api_version}" if one.operation == "Update" else ""
    with_ = f' with subresource "{one.subresource}"' if one.subresource else ""
    return f'"{one.name}"{with_}{version}'


def _listed(fights: list[tuple[Manager, fields.Path]]) -> str:
    by_manager: dict[str, list[str]] = {}
    for one, path in fights:
        by_manager.setdefault(_named(one), []).append(fields.dotted(path))
    parts = []
    for name, paths in sorted(by_manager.items()):
        listed = "".join(f"\n- {path}" for path in paths)
        parts.append(f"conflicts with {name}:{listed}" if len(paths) > 1 else f"conflict with {name}:{listed}")
    return "\n".join(parts)


def merge(schema: Object, live: Any, config: Any) -> Any:
    """The live value with everything that the applied one says."""
    ours, theirs = fields.elements(schema, config), fields.elements(schema, live)
    if ours is None or theirs is None or type(live) is not type(config):
        return config
    known = {element: one for element, _, one in theirs}
    merged = {element: one for element, _, one in theirs}
    for element, inner, one in ours:
        merged[element] = merge(inner, known[element], one) if known.get(element) is not None else one
    if isinstance(config, dict):
        return {element[1]: one for element, one in merged.items()}
    order = _order([element for element, _, _ in theirs], [element for element, _, _ in ours])
    return [merged[element] for element in order]


def _order(live: list[fields.Element], config: list[fields.Element]) -> list[fields.Element]:
    """Live items where they stand; new ones before the next item that both have, else at the end."""
    order: list[fields.Element] = []
    rest = list(config)
    for element in live:
        if element in rest:
            upto = rest.index(element) + 1
            order += rest[:upto]
            rest = rest[upto:]
        elif element not in config:
            order.append(element)
    return order + rest
