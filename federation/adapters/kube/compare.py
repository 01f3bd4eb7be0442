"""Whether an object already is as we want it. Pure.

What we apply must be contained in what is there (the API server adds defaults), and what our field manager owns there
must be what we apply and no more (server-side apply, managedFields in FieldsV1).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from federation.adapters.kube.kinds import MANAGER

Part = dict[str, Any]
Tree = Mapping[str, Any]
_TIME = "lastTransitionTime"


def owned(have: Part, subresource: str = "") -> Tree | None:
    """What our field manager applied to this object, as FieldsV1; None for nothing."""
    for entry in have.get("metadata", {}).get("managedFields") or ():
        ours = entry.get("manager") == MANAGER and entry.get("operation") == "Apply"
        if ours and entry.get("subresource", "") == subresource:
            found: Tree = entry.get("fieldsV1") or {}
            return found
    return None


def body_is(body: Part, have: Part) -> bool:
    """True when applying `body` (without apiVersion, kind, name and namespace) would change nothing."""
    tree = owned(have)
    return tree is not None and _map_is(body, have, tree)


def status_is(status: Part, have: Part) -> bool:
    """True when applying `{"status": ...}`, with its times, would change nothing."""
    tree = owned(have, "status")
    return tree is not None and _map_is(status, have, tree)


def stamped(status: Part, have: Part, now: str) -> Part:
    """The status with each condition's lastTransitionTime: `now` (RFC 3339) when its status is another than before."""
    if "conditions" not in status:
        return status
    before = {item.get("type"): item for item in (have.get("status") or {}).get("conditions") or ()}
    conditions = [_condition(item, before.get(item["type"], {}), now) for item in status["conditions"]]
    return status | {"conditions": conditions}


def _condition(item: Part, before: Part, now: str) -> Part:
    same = before.get("status") == item["status"] and before.get(_TIME)
    return item | {_TIME: before[_TIME] if same else now}


def _is(want: Any, have: Any, tree: Tree) -> bool:
    if not tree or not isinstance(want, dict | list):
        return _within(want, have)
    if isinstance(want, dict):
        return _map_is(want, have if isinstance(have, dict) else {}, tree)
    return _list_is(want, have if isinstance(have, list) else [], tree)


def _map_is(want: Part, have: Part, tree: Tree) -> bool:
    if any(name[:2] == "f:" and name[2:] not in want for name in tree):
        return False
    for name, value in want.items():
        part = tree.get(f"f:{name}")
        if part is None and (value or have.get(name)):
            return False
        if not _is(value, have.get(name), part or {}):
            return False
    return True


def _list_is(want: list[Any], have: list[Any], tree: Tree) -> bool:
    """A list that several may own: a set of values, or a map by keys."""
    parts = {name: part for name, part in tree.items() if name != "."}
    if len(parts) != len(want):
        return False
    return all(_item_is(json.loads(name[2:]), want, have, part) for name, part in parts.items())


def _item_is(keys: Any, want: list[Any], have: list[Any], tree: Tree) -> bool:
    if not isinstance(keys, dict):
        return keys in want and keys in have
    there = _keyed(have, keys, exact=True)
    mine = _keyed(want, keys, exact=True) or _keyed(want, keys, exact=False)
    return mine is not None and there is not None and _map_is(mine, there, tree)


def _keyed(items: list[Any], keys: Part, exact: bool) -> Part | None:
    """The item with these keys; one that leaves a key to its default only where the match need not be `exact`."""
    for item in items:
        if all(item.get(key, None if exact else value) == value for key, value in keys.items()):
            found: Part = item
            return found
    return None


def _within(want: Any, have: Any) -> bool:
    """Contained, where an absent value is as good as an empty one."""
    if isinstance(want, dict) and isinstance(have, dict):
        return all(_within(value, have.get(name)) for name, value in want.items())
    if isinstance(want, list) and isinstance(have, list):
        return len(want) == len(have) and all(map(_within, want, have))
    return bool(want == have or (not want and not have))
