"""Rules for names, labels and annotations of objects, in the API server's words."""

import re
from collections.abc import Callable, Iterator
from typing import Any

from federation.lab.kubernetes.status import Cause, bad_value, required, too_long

Object = dict[str, Any]
LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
NAME_PART = re.compile(r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]")
LABEL_VALUE = re.compile(r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?")
ANNOTATION_BYTES = 256 * 1024
SAY_LABEL = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start "
    "and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)
SAY_SUBDOMAIN = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must "
    "start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
SAY_PART = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "
    "alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
    "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
)
SAY_VALUE = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must "
    "start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used "
    "for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)
Rule = Callable[[str], str | None]


def _rule(pattern: re.Pattern[str], longest: int, text: str) -> Rule:
    def test(value: str) -> str | None:
        if len(value) > longest:
            return f"must be no more than {longest} characters"
        return None if pattern.fullmatch(value) else text

    return test


label = _rule(LABEL, 63, SAY_LABEL)
subdomain = _rule(SUBDOMAIN, 253, SAY_SUBDOMAIN)
label_value = _rule(LABEL_VALUE, 63, SAY_VALUE)


def path_segment(value: str) -> str | None:
    """Names of roles and bindings: whatever fits one segment of a path."""
    if value in (".", ".."):
        return f"may not be '{value}'"
    return next((f"may not contain '{sign}'" for sign in "/%" if sign in value), None)


RULES: dict[str, Rule] = {
    "namespaces": label,
    "services": label,
    "roles": path_segment,
    "rolebindings": path_segment,
    "clusterroles": path_segment,
    "clusterrolebindings": path_segment,
}


def causes(plural: str, meta: Object) -> Iterator[Cause]:
    """All that is wrong with an object's metadata."""
    name = meta.get("name", "")
    if not name:
        yield required("metadata.name", "name or generateName is required")
    elif text := RULES.get(plural, subdomain)(name):
        yield bad_value("metadata.name", name, text)
    for key, value in (meta.get("labels") or {}).items():
        if text := key_fault(key):
            yield bad_value("metadata.labels", key, text)
        if text := label_value(value):
            yield bad_value("metadata.labels", value, text)
    yield from _annotations(meta.get("annotations") or {})


def _annotations(said: Object) -> Iterator[Cause]:
    for key in said:
        if text := key_fault(key.lower()):
            yield bad_value("metadata.annotations", key, text)
    if sum(len(key.encode()) + len(value.encode()) for key, value in said.items()) > ANNOTATION_BYTES:
        yield too_long("metadata.annotations", ANNOTATION_BYTES)


def key_fault(key: str) -> str | None:
    """What is wrong with a label's or annotation's key, or None."""
    prefix, slash, name = key.rpartition("/")
    if slash and not prefix:
        return "prefix part must be non-empty"
    if slash and (text := subdomain(prefix)):
        return f"prefix part {text}"
    if not name:
        return "name part must be non-empty"
    if len(name) > 63:
        return "name part must be no more than 63 bytes"
    return None if NAME_PART.fullmatch(name) else SAY_PART
