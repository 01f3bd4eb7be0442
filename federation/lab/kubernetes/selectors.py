"""Label and field selectors, as the API's query parameters write them."""

import re
from collections.abc import Callable
from typing import Any

from federation.lab.kubernetes import status

Object = dict[str, Any]
Test = Callable[[Object], bool]
SET = re.compile(r"^(\S+)\s+(in|notin)\s*\(([^)]*)\)$")
EQUAL = re.compile(r"^([^\s!=]+)\s*(==|!=|=)\s*(\S*)$")
SPLIT = re.compile(r",(?![^(]*\))")
KEY = re.compile(r"^[A-Za-z0-9./_-]+$")
FIELDS = {
    "secrets": {"type"},
    "nodes": {"spec.unschedulable"},
    "namespaces": {"status.phase"},
    "pods": {"spec.nodeName", "spec.serviceAccountName", "status.phase", "status.podIP", "spec.restartPolicy"},
    "services": {"spec.clusterIP", "spec.type"},
    "events": {
        "involvedObject.kind",
        "involvedObject.name",
        "involvedObject.namespace",
        "involvedObject.uid",
        "involvedObject.apiVersion",
        "involvedObject.resourceVersion",
        "involvedObject.fieldPath",
        "reason",
        "reportingComponent",
        "source",
        "type",
    },
}


def labels(text: str) -> Test:
    """The test that a label selector states; raises 400 when it cannot be read."""
    tests = [_requirement(part.strip()) for part in SPLIT.split(text) if part.strip()]
    return lambda value: all(test(value["metadata"].get("labels") or {}) for test in tests)


def _requirement(text: str) -> Test:
    if found := SET.match(text):
        key, word, listed = found.groups()
        values = {one.strip() for one in listed.split(",")}
        return (
            (lambda said: said.get(key) in values)
            if word == "in"
            else (lambda said: key not in said or said[key] not in values)
        )
    if found := EQUAL.match(text):
        key, word, wanted = found.groups()
        return (lambda said: said.get(key) != wanted) if word == "!=" else (lambda said: said.get(key) == wanted)
    if text.startswith("!") and KEY.match(text[1:].strip()):
        return lambda said: text[1:].strip() not in said
    if KEY.match(text):
        return lambda said: text in said
    found_word = text.split()[1] if len(text.split()) > 1 else text
    wanted = "in, notin, =, ==, !=, gt, lt"
    raise status.bad_request(f"unable to parse requirement: found '{found_word}', expected: {wanted}")


def fields(text: str, plural: str, custom: bool = False) -> Test:
    """The test that a field selector states; raises 400 for a field that cannot be selected."""
    own = FIELDS.get(plural, {"metadata.name"} if custom else set())
    allowed = {"metadata.name", "metadata.namespace"} | own
    tests = []
    for part in filter(None, text.split(",")):
        found = EQUAL.match(part)
        if found is None:
            raise status.bad_request(f"invalid selector: '{part}'; can't understand '{part}'")
        path, word, wanted = found.groups()
        if path not in allowed:
            known = 'only "metadata.name", "metadata.namespace"'
            unknown = f'"{path}" is not a known field selector: {known}'
            raise status.bad_request(f"field label not supported: {path}" if own else unknown)
        tests.append((path.split("."), word == "!=", wanted))
    return lambda value: all((_at(value, path) == wanted) != negated for path, negated, wanted in tests)


def _at(value: Any, path: list[str]) -> str:
    for part in path:
        value = value.get(part) if isinstance(value, dict) else None
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
