"""What a CustomResourceDefinition's schema forbids, in the API server's words; CEL rules beside it."""

import json
import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from ipaddress import ip_address, ip_network
from typing import Any

import cel.cel as expressions

from federation.lab.kubernetes import schema as structural
from federation.lab.kubernetes.status import (
    DUPLICATE,
    FORBIDDEN,
    INVALID,
    REQUIRED,
    TOO_LONG,
    TOO_MANY,
    TYPE_INVALID,
    UNSUPPORTED,
    Cause,
    bad_value,
    duplicate,
    required,
    shown,
    too_long,
    too_many,
    unsupported,
)

Object = dict[str, Any]
ABSENT: Any = object()
BLOCKING = {UNSUPPORTED, REQUIRED, TOO_LONG, TOO_MANY, TYPE_INVALID}
NOT_CHECKED = Cause(
    "<nil>",
    INVALID,
    "Invalid value: null: some validation rules were not checked because the object was invalid; "
    "correct the existing errors to complete validation",
)


def causes(schema: Object, value: Any, old: Any = ABSENT) -> list[Cause]:
    """All that is wrong with a custom object; `old` is its state before, for transition rules."""
    found = list(_shape(schema, value, "")) + list(_twice(schema, value, ""))
    if any(one.reason in BLOCKING for one in found):
        return [*found, NOT_CHECKED] if _ruled(schema) else found
    return found + list(_rules(schema, value, old, ""))


def _ruled(schema: Object) -> bool:
    return '"x-kubernetes-validations"' in json.dumps(schema)


def _shape(schema: Object, value: Any, path: str) -> Iterator[Cause]:
    if value is None and schema.get("nullable"):
        return
    wanted = schema.get("type")
    if schema.get("x-kubernetes-int-or-string"):
        wanted = None
    if wanted and not structural.fits(wanted, value):
        said = "null" if value is None else _json_type(value)
        text = f"Invalid value: {shown(said)}: {path} in body must be of type {wanted}: {shown(said)}"
        yield Cause(path, TYPE_INVALID, text)
        return
    if "enum" in schema and value not in schema["enum"]:
        yield unsupported(path, value, schema["enum"])
    yield from _limits(schema, value, path)
    if isinstance(value, dict):
        yield from _fields(schema, value, path)
    elif isinstance(value, list):
        yield from _list(schema, value, path)


def _json_type(value: Any) -> str:
    names = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array", dict: "object"}
    return names.get(type(value), "null")


def _limits(schema: Object, value: Any, path: str) -> Iterator[Cause]:
    if isinstance(value, int | float) and not isinstance(value, bool):
        yield from _range(schema, value, path)
    elif isinstance(value, str):
        yield from _text(schema, value, path)


def _range(schema: Object, value: float, path: str) -> Iterator[Cause]:
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None and (value < low or (schema.get("exclusiveMinimum") and value == low)):
        word = "greater than" if schema.get("exclusiveMinimum") else "greater than or equal to"
        yield bad_value(path, value, f"{path} in body should be {word} {low}")
    if high is not None and (value > high or (schema.get("exclusiveMaximum") and value == high)):
        word = "less than" if schema.get("exclusiveMaximum") else "less than or equal to"
        yield bad_value(path, value, f"{path} in body should be {word} {high}")


def _text(schema: Object, value: str, path: str) -> Iterator[Cause]:
    longest, shortest, pattern = schema.get("maxLength"), schema.get("minLength", 0), schema.get("pattern")
    if longest is not None and len(value) > longest:
        yield too_long(path, longest)
    if len(value) < shortest:
        yield bad_value(path, value, f"{path} in body should be at least {shortest} chars long")
    if pattern and not re.search(pattern, value):
        yield bad_value(path, value, f"{path} in body should match '{pattern}'")
    form = schema.get("format", "")
    if form in FORMATS and not FORMATS[form](value):
        said = f"{path} in body must be of type {form}: {shown(value)}"
        yield Cause(path, TYPE_INVALID, f"Invalid value: {shown(value)}: {said}")


def _is_time(text: str) -> bool:
    return re.fullmatch(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", text) is not None


def _parses(parse: Callable[[str], object]) -> Callable[[str], bool]:
    def test(text: str) -> bool:
        try:
            parse(text)
        except ValueError:
            return False
        return True

    return test


def _version(number: int) -> Callable[[str], bool]:
    return lambda text: bool(is_ip(text)) and ip_address(text).version == number


is_ip = _parses(lambda text: ip_address(text))
FORMATS: dict[str, Callable[[str], bool]] = {
    "date-time": _is_time,
    "ipv4": _version(4),
    "ipv6": _version(6),
    "cidr": _parses(lambda text: ip_network(text, strict=False)),
}


def _fields(schema: Object, value: Object, path: str) -> Iterator[Cause]:
    for name in schema.get("required", ()):
        if name not in value:
            yield required(structural.joined(path, name))
    most, least = schema.get("maxProperties"), schema.get("minProperties", 0)
    if most is not None and len(value) > most:
        yield too_many(path, len(value), most)
    if len(value) < least:
        yield bad_value(path, value, f"{path} in body should have at least {least} properties")
    for name, one in value.items():
        inner = structural.child(schema, name)
        if inner and not (path == "" and name == "metadata"):
            yield from _shape(inner, one, structural.joined(path, name))


def _list(schema: Object, value: list[Any], path: str) -> Iterator[Cause]:
    most, least = schema.get("maxItems"), schema.get("minItems", 0)
    if most is not None and len(value) > most:
        yield too_many(path, len(value), most)
    if len(value) < least:
        yield bad_value(path, len(value), f"{path} in body should have at least {least} items")
    for index, one in enumerate(value):
        yield from _shape(structural.items(schema), one, f"{path}[{index}]")


def _twice(schema: Object, value: Any, path: str) -> Iterator[Cause]:
    if isinstance(value, dict):
        for name, one in value.items():
            yield from _twice(structural.child(schema, name) or {}, one, structural.joined(path, name))
        return
    if not isinstance(value, list):
        return
    for index, one in enumerate(value):
        yield from _twice(structural.items(schema), one, f"{path}[{index}]")
    seen: list[Any] = []
    for index, one in enumerate(value):
        key = _identity(schema, one)
        if key is not None and key in seen:
            yield duplicate(f"{path}[{index}]", key)
        seen.append(key)


def _identity(schema: Object, one: Any) -> Any:
    if structural.is_map_list(schema) and isinstance(one, dict):
        return dict(structural.keys_of(schema, one))
    return one if structural.is_set(schema) else None


def _rules(schema: Object, value: Any, old: Any, path: str) -> Iterator[Cause]:
    if value is None:
        return
    for rule in schema.get("x-kubernetes-validations", ()):
        yield from _rule(rule, value, old, path)
    if isinstance(value, dict):
        for name, one in sorted(value.items()):
            inner = structural.child(schema, name)
            if inner and not (path == "" and name == "metadata"):
                before = old.get(name, ABSENT) if isinstance(old, dict) else ABSENT
                yield from _rules(inner, one, before, structural.joined(path, name))
    elif isinstance(value, list):
        by_key = {str(_identity(schema, one)): one for one in old} if isinstance(old, list) else {}
        for index, one in enumerate(value):
            before = by_key.get(str(_identity(schema, one)), ABSENT) if structural.is_map_list(schema) else ABSENT
            yield from _rules(structural.items(schema), one, before, f"{path}[{index}]")


REASONS = {
    "FieldValueInvalid": INVALID,
    "FieldValueForbidden": FORBIDDEN,
    "FieldValueRequired": REQUIRED,
    "FieldValueDuplicate": DUPLICATE,
    "FieldValueTooLong": TOO_LONG,
}


def _rule(rule: Object, value: Any, old: Any, path: str) -> Iterator[Cause]:
    text = rule["rule"]
    transition = re.search(r"\boldSelf\b", text) is not None
    if transition and old is ABSENT and not rule.get("optionalOldSelf"):
        return
    names = {"self": value} | ({"oldSelf": old} if transition else {})
    try:
        holds = evaluated(text, names)
    except (RuntimeError, ValueError, TypeError) as error:
        yield bad_value(path, _json_type(value), f"rule evaluation error: {error} in `{text}`")
        return
    if holds is True:
        return
    why = rule.get("message") or f"failed rule: {' '.join(text.split())}"
    if rule.get("messageExpression"):
        why = evaluated(rule["messageExpression"], names)
    reason = REASONS.get(rule.get("reason", ""), INVALID)
    at = f"{path}{rule.get('fieldPath', '')}".lstrip(".")
    yield Cause(at or "<nil>", reason, _said(reason, value, why))


def _said(reason: str, value: Any, why: str) -> str:
    if reason == FORBIDDEN:
        return f"Forbidden: {why}"
    if reason == REQUIRED:
        return f"Required value: {why}"
    return f"Invalid value: {why}" if isinstance(value, dict | list) else f"Invalid value: {shown(value)}: {why}"


def unreadable(schema: Any, path: str) -> Iterator[Cause]:
    """The rules of a schema that do not parse, for its definition to be refused."""
    if isinstance(schema, list):
        return
    for index, rule in enumerate(schema.get("x-kubernetes-validations", ())):
        for word in ("rule", "messageExpression"):
            try:
                compiled(rule.get(word) or "true")
            except ValueError as error:
                at = f"{path}.x-kubernetes-validations[{index}].{word}"
                yield bad_value(at, rule[word], f"compilation failed: {error}")
    for name, one in schema.get("properties", {}).items():
        yield from unreadable(one, f"{path}.properties[{name}]")
    for name in ("items", "additionalProperties"):
        if isinstance(schema.get(name), dict):
            yield from unreadable(schema[name], f"{path}.{name}")


def evaluated(text: str, names: Object) -> Any:
    """What a CEL expression gives; raises RuntimeError, ValueError or TypeError when it cannot be evaluated."""
    context = expressions.Context(names)
    for name, function in FUNCTIONS.items():
        context.add_function(name, function)
    return compiled(text).execute(context)


@lru_cache(maxsize=1024)
def compiled(text: str) -> Any:
    """A CEL program; ValueError for one that does not parse."""
    return expressions.compile(text)


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "isIP": is_ip,
    "isCIDR": _parses(lambda text: ip_network(text)),
    "sum": sum,
}
