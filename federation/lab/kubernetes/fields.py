"""Sets of fields as `managedFields` states them: read, written, and taken from objects and their differences.

A path is a tuple of elements; an element is ("f", name), ("k", keys of an item of a map list) or ("v", a value of
a set).
"""

import json
from typing import Any

from federation.lab.kubernetes import schema as structural

Object = dict[str, Any]
Element = tuple[str, Any]
Path = tuple[Element, ...]
Fields = frozenset[Path]


def written(fields: Fields) -> Object:
    """FieldsV1 of a set of paths."""
    tree: Object = {}
    for path in sorted(fields, key=str):
        node = tree
        for element in path:
            node = node.setdefault(_text(element), {})
        node["."] = {}
    _trim(tree)
    return tree


def _trim(tree: Object) -> None:
    for node in tree.values():
        if set(node) == {"."}:
            node.clear()
        else:
            _trim({name: one for name, one in node.items() if name != "."})


def read(tree: Object, above: Path = ()) -> Fields:
    """The set of paths of a FieldsV1."""
    found: set[Path] = set()
    for text, node in tree.items():
        if text == ".":
            continue
        path = (*above, _element(text))
        if not node or "." in node:
            found.add(path)
        found |= read(node, path)
    return frozenset(found)


def _text(element: Element) -> str:
    sort, said = element
    if sort == "f":
        return f"f:{said}"
    plain = dict(said) if sort == "k" else said
    return f"{sort}:{json.dumps(plain, separators=(',', ':'), ensure_ascii=False)}"


def _element(text: str) -> Element:
    sort, _, said = text.partition(":")
    if sort == "f":
        return sort, said
    plain = json.loads(said)
    return (sort, tuple(sorted(plain.items()))) if sort == "k" else (sort, plain)


def dotted(path: Path) -> str:
    """A path as conflicts name it: `.spec.ports[port=80,protocol="TCP"].name`."""
    return "".join(
        f".{said}"
        if sort == "f"
        else f"[{','.join(f'{name}={json.dumps(key)}' for name, key in said)}]"
        if sort == "k"
        else f"[={json.dumps(said)}]"
        for sort, said in path
    )


def elements(schema: Object, value: Any) -> list[tuple[Element, Object, Any]] | None:
    """What a value consists of: (element, its schema, its value); None for what has one owner as a whole."""
    if isinstance(value, dict) and not structural.is_atomic_map(schema):
        return [(("f", name), structural.child(schema, name) or {}, one) for name, one in value.items()]
    if isinstance(value, list) and structural.is_map_list(schema):
        inner = structural.items(schema)
        return [(("k", structural.keys_of(schema, one)), inner, one) for one in value]
    if isinstance(value, list) and structural.is_set(schema):
        return [(("v", one), structural.items(schema), one) for one in value]
    return None


def of(schema: Object, value: Any, path: Path = ()) -> Fields:
    """The fields that someone who applies this value claims."""
    parts = elements(schema, value)
    if parts is None:
        return frozenset({path})
    found: set[Path] = set()
    for element, inner, one in parts:
        here = (*path, element)
        if element[0] == "k" or one is None or one == {}:
            found.add(here)
        found |= of(inner, one, here) if one != {} else {here}
    return frozenset(found)


def changed(schema: Object, before: Any, after: Any, path: Path = ()) -> Fields:
    """The fields that are new or different; maps of free keys and map lists count themselves when they are new."""
    if before == after:
        return frozenset()
    parts = elements(schema, after)
    if parts is None:
        return frozenset({path})
    known = {element: one for element, _, one in elements(schema, before) or ()} if before is not None else {}
    found: set[Path] = set()
    if before is None and path and (not structural.is_record(schema) or path[-1][0] == "k" or not parts):
        found.add(path)
    for element, inner, one in parts:
        found |= changed(inner, known.get(element), one, (*path, element))
        if one is None and element not in known:
            found.add((*path, element))
    return frozenset(found)


def present(schema: Object, value: Any, path: Path = ()) -> Fields:
    """All paths of a value, inner ones included."""
    found = {path} if path else set()
    for element, inner, one in elements(schema, value) or ():
        found |= present(inner, one, (*path, element))
    return frozenset(found)


def without(schema: Object, value: Any, gone: Fields, path: Path = ()) -> Any:
    """The value without some fields. What is in a map or item goes with it only when it is named itself; a map or list
    that lost all that was in it goes, too.
    """
    parts = elements(schema, value)
    if parts is None or not gone:
        return value
    left = [
        (element, one, without(inner, one, gone, (*path, element)))
        for element, inner, one in parts
        if (*path, element) not in gone
    ]
    kept = [(element, now) for element, before, now in left if now or now == before]
    if isinstance(value, dict):
        return {element[1]: one for element, one in kept}
    return [one for _, one in kept]
