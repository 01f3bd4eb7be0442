"""Structural schemas: a typed view for all walks, pruning with the paths that were unknown, defaulting.

One reading serves CustomResourceDefinitions and Kubernetes' published schemas of the built-in kinds.
"""

import copy
from collections.abc import Iterator
from typing import Any

from federation.lab.kubernetes.kinds import Kind, definitions, referred

Object = dict[str, Any]
META = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
INT_OR_STRING = "io.k8s.apimachinery.pkg.util.intstr.IntOrString"


def root(kind: Kind) -> Object:
    """A kind's schema with apiVersion, kind and metadata as every object has them."""
    found = referred(kind.schema) if not kind.custom else kind.schema
    common = {"apiVersion": {"type": "string"}, "kind": {"type": "string"}, "metadata": definitions()[META]}
    properties = {**found.get("properties", {}), **common}
    return {"type": "object", **found, "properties": properties}


def child(schema: Object, name: str) -> Object | None:
    """The schema of a field, None when it is unknown, {} where anything goes."""
    named = schema.get("properties", {}).get(name)
    if named is not None:
        return referred(named)
    more = schema.get("additionalProperties")
    if isinstance(more, dict):
        return referred(more)
    return {} if more is True or is_open(schema) else None


def is_open(schema: Object) -> bool:
    """Whether fields that the schema does not name are kept."""
    if schema.get("x-kubernetes-preserve-unknown-fields"):
        return True
    return not ({"properties", "additionalProperties", "items"} & schema.keys()) and schema.get("type") in (
        None,
        "object",
    )


def items(schema: Object) -> Object:
    """The schema of a list's items."""
    return referred(schema.get("items") or {})


def is_map_list(schema: Object) -> bool:
    """A list whose items are told apart by keys."""
    return schema.get("x-kubernetes-list-type") == "map"


def is_set(schema: Object) -> bool:
    """A list of scalars, each at most once."""
    return schema.get("x-kubernetes-list-type") == "set"


def is_record(schema: Object) -> bool:
    """An object with named fields, as opposed to a map of free keys."""
    return "properties" in schema


def is_atomic_map(schema: Object) -> bool:
    """An object that has one owner as a whole."""
    return schema.get("x-kubernetes-map-type") == "atomic"


def keys_of(schema: Object, value: Object) -> tuple[tuple[str, Any], ...]:
    """What tells this item of a map list from others; a missing key has its default."""
    properties = items(schema).get("properties", {})
    names = sorted(schema.get("x-kubernetes-list-map-keys", ()))
    pairs = ((name, value.get(name, referred(properties.get(name, {})).get("default"))) for name in names)
    return tuple((name, key) for name, key in pairs if key is not None)


def joined(path: str, name: str) -> str:
    """`spec.ports` of `spec` and `ports`."""
    return f"{path}.{name}" if path else name


def pruned(schema: Object, value: Any, path: str = "") -> tuple[Any, list[str]]:
    """The value without fields that the schema does not know, and their paths."""
    if isinstance(value, list):
        inner = items(schema)
        results = [pruned(inner, one, f"{path}[{index}]") for index, one in enumerate(value)]
        return [one for one, _ in results], [found for _, unknown in results for found in unknown]
    if not isinstance(value, dict) or schema == {}:
        return value, []
    kept, unknown = {}, []
    for name, one in value.items():
        inner_schema = child(schema, name)
        if inner_schema is None:
            unknown.append(joined(path, name))
            continue
        kept[name], more = pruned(inner_schema, one, joined(path, name))
        unknown += more
    return kept, unknown


def defaulted(schema: Object, value: Any) -> Any:
    """The value with the schema's defaults where fields are missing, and null where it may not stand left out."""
    if isinstance(value, list):
        inner = items(schema)
        return [defaulted(inner, one) for one in value]
    if not isinstance(value, dict):
        return value
    filled = {name: one for name, one in value.items() if one is not None or _keeps_null(schema, name)}
    for name, raw in schema.get("properties", {}).items():
        default = raw.get("default")
        if name not in filled and default not in (None, {}, ""):
            filled[name] = copy.deepcopy(default)
        elif name not in filled and default == {} and "$ref" not in raw and "allOf" not in raw:
            filled[name] = {}
    return {name: defaulted(child(schema, name) or {}, one) for name, one in filled.items()}


def _keeps_null(schema: Object, name: str) -> bool:
    found = child(schema, name)
    return found is not None and (found == {} or bool(found.get("nullable")))


KEPT_EMPTY = ("endpoints", "rules", "ports")


def lean(schema: Object, value: Any) -> Any:
    """The value of a built-in kind without empty lists and empty maps of free keys, which Go's types leave out."""
    if isinstance(value, list):
        return [lean(items(schema), one) for one in value]
    if not isinstance(value, dict):
        return value
    kept = {}
    for name, one in value.items():
        inner = child(schema, name) or {}
        if (one == [] and name not in KEPT_EMPTY) or (one == {} and "additionalProperties" in inner):
            continue
        kept[name] = lean(inner, one)
    return kept


def typed(schema: Object, value: Any, path: str = "") -> Iterator[tuple[str, Any, str]]:
    """(path, value, wanted type) of everything in a value whose JSON type is not the schema's."""
    wanted = schema.get("type")
    if value is None or schema.get("x-kubernetes-int-or-string") or schema.get("format") == "int-or-string":
        return
    if wanted and not fits(wanted, value):
        yield path, value, wanted
    elif isinstance(value, list):
        for index, one in enumerate(value):
            yield from typed(items(schema), one, f"{path}[{index}]")
    elif isinstance(value, dict):
        for name, one in value.items():
            yield from typed(child(schema, name) or {}, one, joined(path, name))


def fits(wanted: str, value: Any) -> bool:
    """Whether a JSON value is of a schema's type."""
    if wanted in ("integer", "number"):
        return isinstance(value, int | (float if wanted == "number" else int)) and not isinstance(value, bool)
    return isinstance(value, {"string": str, "boolean": bool, "object": dict, "array": list}.get(wanted, object))
