"""Patches: JSON merge (RFC 7386), JSON (RFC 6902), and strategic merge by the schema's merge keys."""

import copy
from typing import Any

from federation.lab.kubernetes import schema as structural
from federation.lab.kubernetes.status import Refused, bad_request

Object = dict[str, Any]


def merge(value: Any, patch: Any) -> Any:
    """The value after a JSON merge patch."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(value) if isinstance(value, dict) else {}
    for name, one in patch.items():
        if one is None:
            merged.pop(name, None)
        else:
            merged[name] = merge(merged.get(name), one)
    return merged


def unusable() -> Refused:
    """How the API server refuses a JSON patch that does not fit the object."""
    return Refused(422, "Invalid", "the server rejected our request due to an error in our request", {})


def json_patch(value: Any, operations: Any) -> Any:
    """The value after a JSON patch; 422 when an operation cannot be carried out, 400 when it is none."""
    if not isinstance(operations, list):
        raise bad_request("json: cannot unmarshal object into Go value of type jsonpatch.Patch")
    value = copy.deepcopy(value)
    for one in operations:
        try:
            value = _operation(value, one)
        except (KeyError, IndexError, TypeError, ValueError):
            raise unusable() from None
    return value


def _operation(value: Any, one: Object) -> Any:
    word, path = one["op"], _pointer(one["path"])
    if word == "test":
        if _at(value, path) != one.get("value"):
            raise ValueError
        return value
    if word in ("move", "copy"):
        source = _pointer(one["from"])
        moved = copy.deepcopy(_at(value, source))
        return _add(_remove(value, source) if word == "move" else value, path, moved)
    if word == "remove":
        return _remove(value, path)
    if word == "replace":
        _at(value, path)
        return _add(_remove(value, path), path, one["value"]) if path else one["value"]
    if word == "add":
        return _add(value, path, one["value"])
    raise ValueError(word)


def _pointer(text: str) -> list[str]:
    return [part.replace("~1", "/").replace("~0", "~") for part in text.split("/")[1:]]


def _at(value: Any, path: list[str]) -> Any:
    for part in path:
        value = value[int(part)] if isinstance(value, list) else value[part]
    return value


def _add(value: Any, path: list[str], new: Any) -> Any:
    if not path:
        return new
    above = _at(value, path[:-1])
    if isinstance(above, list):
        index = len(above) if path[-1] == "-" else int(path[-1])
        if not 0 <= index <= len(above):
            raise IndexError(index)
        above.insert(index, new)
    else:
        above[path[-1]] = new
    return value


def _remove(value: Any, path: list[str]) -> Any:
    above = _at(value, path[:-1])
    del above[int(path[-1]) if isinstance(above, list) else path[-1]]
    return value


def strategic(schema: Object, value: Any, patch: Any) -> Any:
    """The value after a strategic merge patch."""
    if not isinstance(patch, dict):
        return patch
    if patch.get("$patch") == "replace":
        return {name: one for name, one in patch.items() if name != "$patch"}
    merged = dict(value) if isinstance(value, dict) else {}
    for name in set(merged) - set(patch.get("$retainKeys", merged)):
        del merged[name]
    for name, one in patch.items():
        if name.startswith("$deleteFromPrimitiveList/"):
            field = name.partition("/")[2]
            merged[field] = [left for left in merged.get(field, []) if left not in one]
        elif name.startswith("$"):
            continue
        elif one is None:
            merged.pop(name, None)
        else:
            merged[name] = _field(structural.child(schema, name) or {}, merged.get(name), one)
            _ordered(merged, name, patch.get(f"$setElementOrder/{name}"), schema)
    return merged


def _field(schema: Object, value: Any, patch: Any) -> Any:
    if not isinstance(patch, list):
        return strategic(schema, value, patch)
    key = schema.get("x-kubernetes-patch-merge-key")
    if "merge" not in schema.get("x-kubernetes-patch-strategy", ""):
        return patch
    if key is None:
        return [*(value or []), *(one for one in patch if one not in (value or []))]
    return _keyed(structural.items(schema), key, value or [], patch)


def _keyed(schema: Object, key: str, value: list[Object], patch: list[Object]) -> list[Object]:
    merged = [] if {"$patch": "replace"} in patch else list(value)
    for one in patch:
        if key not in one:
            continue
        index = next((at for at, old in enumerate(merged) if old.get(key) == one[key]), None)
        if one.get("$patch") == "delete":
            merged = [old for old in merged if old.get(key) != one[key]]
        elif index is None:
            merged.append(strategic(schema, {}, one))
        else:
            merged[index] = strategic(schema, merged[index], one)
    return merged


def _ordered(merged: Object, name: str, order: list[Any] | None, schema: Object) -> None:
    key = (structural.child(schema, name) or {}).get("x-kubernetes-patch-merge-key")
    if order is None or key is None:
        return
    wanted = [one.get(key) for one in order]
    merged[name].sort(key=lambda one: wanted.index(one.get(key)) if one.get(key) in wanted else len(wanted))
