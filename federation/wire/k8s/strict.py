"""Manifests read strictly: every mistake is one line with file, line, field and what to do.

YAML 1.1 as Kubernetes reads it (timestamps stay text), without aliases, duplicate keys or unknown fields.
"""

import difflib
import re
from collections.abc import Iterator
from typing import Any, get_args, get_type_hints

import msgspec
import yaml
from msgspec import Struct

from federation.model.errors import InputError
from federation.wire.k8s.check import fault
from federation.wire.k8s.types import KINDS, K8sObject

_PATH = re.compile(r"at `\$\.?(.*)`")


class _Loader(yaml.SafeLoader):
    """SafeLoader that leaves timestamps as text."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


class Found(Struct, frozen=True):
    """One object and where it stands."""

    value: K8sObject
    place: str


def read_manifest(text: str, file: str) -> list[Found]:
    """Every object in this file. InputError (E125, E111) at the first mistake."""
    try:
        return [_object(node, file) for node in _documents(text)]
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f":{mark.line + 1}" if mark else ""
        raise InputError(f"{file}{line}: {error.problem or error.context}", "E125") from None
    except yaml.YAMLError as error:
        raise InputError(f"{file}: {str(error).splitlines()[0]}", "E125") from None
    except RecursionError:
        raise InputError(f"{file}: values are nested too deeply", "E125") from None
    except (ValueError, AttributeError) as error:
        raise InputError(f"{file}: a value is not what its tag says: {error}", "E125") from None


def _documents(text: str) -> Iterator[yaml.Node]:
    for node in yaml.compose_all(text, _Loader):
        if node is not None and not (isinstance(node, yaml.ScalarNode) and node.value == ""):
            yield node


def _object(node: yaml.Node, file: str) -> Found:
    lines: dict[str, int] = {}
    _note_lines(node, "", lines, file, set())
    place = f"{file}:{node.start_mark.line + 1}"
    content = _construct(node)
    if not isinstance(content, dict):
        raise InputError(f"{place}: a document must be a mapping with apiVersion and kind", "E125")
    kind = KINDS.get(str(content.get("kind")))
    if kind is None:
        known = ", ".join(sorted(KINDS))
        raise InputError(
            f'{file}:{lines.get("kind", 1)}: field "kind" is {content.get("kind")!r}: must be one of {known}',
            "E125",
        )
    _refuse_unknown(content, kind, "", lines, file)
    try:
        value = msgspec.convert(content, kind, strict=True)
    except msgspec.ValidationError as error:
        raise InputError(_typed_text(str(error), lines, file), "E125") from None
    wrong = fault(value)
    if wrong is not None:
        path = wrong.split('"')[1]
        raise InputError(f"{file}:{_line_of(path, lines)}: {wrong}", "E125")
    return Found(value, place)


def _construct(node: yaml.Node) -> Any:
    loader = _Loader("")
    try:
        return loader.construct_document(node)
    finally:
        loader.dispose()


def _note_lines(node: yaml.Node, path: str, lines: dict[str, int], file: str, seen: set[int]) -> None:
    line = node.start_mark.line + 1
    lines.setdefault(path, line)
    if id(node) in seen:
        raise InputError(f'{file}:{line}: field "{path}" uses a YAML alias: write the value out', "E125")
    seen.add(id(node))
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            _note_lines(item, f"{path}[{index}]", lines, file, seen)
    elif isinstance(node, yaml.MappingNode):
        _note_mapping(node, path, lines, file, seen)


def _note_mapping(node: yaml.MappingNode, path: str, lines: dict[str, int], file: str, seen: set[int]) -> None:
    first: dict[str, int] = {}
    for key, value in node.value:
        name, line = str(key.value), key.start_mark.line + 1
        if name in first:
            raise InputError(
                f'{file}:{line}: duplicate key "{_join(path, name)}" (first at line {first[name]})', "E125"
            )
        first[name] = line
        lines[_join(path, name)] = line
        _note_lines(value, _join(path, name), lines, file, seen)


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _refuse_unknown(content: Any, kind: Any, path: str, lines: dict[str, int], file: str) -> None:
    struct = _struct_in(kind)
    if isinstance(content, list):
        for index, item in enumerate(content):
            _refuse_unknown(item, kind, f"{path}[{index}]", lines, file)
    if struct is None or not isinstance(content, dict):
        return
    hints = get_type_hints(struct)
    known = dict(zip(struct.__struct_encode_fields__, struct.__struct_fields__, strict=True))
    for name, value in content.items():
        here = _join(path, str(name))
        if name not in known:
            hint = _hint(path, str(name), list(known))
            raise InputError(f'{file}:{lines.get(here, 1)}: unknown field "{here}"{hint}', "E111")
        _refuse_unknown(value, hints[known[name]], here, lines, file)


def _struct_in(kind: Any) -> type[Struct] | None:
    if isinstance(kind, type) and issubclass(kind, Struct):
        return kind
    return next((found for part in get_args(kind) if (found := _struct_in(part)) is not None), None)


def _hint(path: str, name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, 1)
    return f', did you mean "{_join(path, near[0])}"?' if near else ""


def _typed_text(error: str, lines: dict[str, int], file: str) -> str:
    match = _PATH.search(error)
    path = match[1] if match else ""
    what = error.partition(" - at ")[0].replace("`", "")
    return f'{file}:{_line_of(path, lines)}: field "{path or "(document)"}": {what[0].lower()}{what[1:]}'


def _line_of(path: str, lines: dict[str, int]) -> int:
    """Where this field stands; one that is not there, where what should hold it begins."""
    while path and path not in lines:
        path = path[: max(path.rfind("."), path.rfind("["), 0)]
    return lines.get(path, 1)
