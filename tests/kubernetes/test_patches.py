"""Merge, JSON and strategic merge patches."""

from typing import Any

import pytest

from tests.kubernetes.objects import config, of, path, service, widget, widgets
from tests.worlds.clusters import JSON_PATCH, MERGE, STRATEGIC, Cluster, establish


def made(api: Cluster) -> str:
    home = api.namespace()
    api.ok("POST", path("ConfigMap", home), config("one", {"labels": {"x": "1"}}, a="1", b="2"))
    return path("ConfigMap", home, "one")


def test_merge(api: Cluster) -> None:
    at = made(api)
    patch = {"data": {"a": None, "b": "3", "c": "4"}}
    assert api.ok("PATCH", at, patch, MERGE)["data"] == {"b": "3", "c": "4"}
    assert "data" not in api.ok("PATCH", at, {"data": None}, MERGE)


def test_merge_with_a_version_needs_it(api: Cluster) -> None:
    at = made(api)
    answer = api.call("PATCH", at, {"metadata": {"resourceVersion": "1"}, "data": {"z": "1"}}, MERGE)
    assert (answer.code, answer.value["reason"]) == (409, "Conflict")


def test_json(api: Cluster) -> None:
    at = made(api)
    patch = [
        {"op": "test", "path": "/data/a", "value": "1"},
        {"op": "replace", "path": "/data/a", "value": "9"},
        {"op": "remove", "path": "/data/b"},
        {"op": "add", "path": "/metadata/annotations", "value": {"isthmus.dev/x": "y"}},
        {"op": "copy", "from": "/data/a", "path": "/data/c"},
    ]
    value = api.ok("PATCH", at, patch, JSON_PATCH)
    assert value["data"] == {"a": "9", "c": "9"}
    value = api.ok("PATCH", at, [{"op": "remove", "path": "/metadata/annotations/isthmus.dev~1x"}], JSON_PATCH)
    assert "annotations" not in value["metadata"]


@pytest.mark.parametrize(
    "operation",
    [{"op": "test", "path": "/data/a", "value": "x"}, {"op": "remove", "path": "/data/z"}],
)
def test_json_that_does_not_fit(api: Cluster, operation: dict[str, Any]) -> None:
    answer = api.call("PATCH", made(api), [operation], JSON_PATCH)
    text = "the server rejected our request due to an error in our request"
    assert (answer.code, answer.value["reason"], answer.value["message"]) == (422, "Invalid", text)


def test_strategic_merges_ports_by_number(api: Cluster) -> None:
    home = api.namespace()
    api.ok("POST", path("Service", home), service("web", ports=[{"name": "a", "port": 1}, {"name": "b", "port": 2}]))
    at = path("Service", home, "web")
    patch = {"spec": {"ports": [{"port": 2, "appProtocol": "http"}, {"port": 3, "name": "c"}]}}
    ports = {one["port"]: one for one in api.ok("PATCH", at, patch, STRATEGIC)["spec"]["ports"]}
    assert set(ports) == {1, 2, 3} and ports[2]["name"] == "b" and ports[2]["appProtocol"] == "http"
    gone = {"spec": {"ports": [{"port": 1, "$patch": "delete"}]}}
    left = api.ok("PATCH", at, gone, STRATEGIC)["spec"]["ports"]
    assert sorted(one["port"] for one in left) == [2, 3]


def test_strategic_deletes_from_sets(api: Cluster) -> None:
    home = api.namespace()
    api.ok("POST", path("ConfigMap", home), config("one", {"finalizers": ["a.b/c", "a.b/d"]}))
    at = path("ConfigMap", home, "one")
    gone = {"metadata": {"$deleteFromPrimitiveList/finalizers": ["a.b/c"]}}
    assert api.ok("PATCH", at, gone, STRATEGIC)["metadata"]["finalizers"] == ["a.b/d"]
    more = {"metadata": {"finalizers": ["a.b/e"]}}
    assert sorted(api.ok("PATCH", at, more, STRATEGIC)["metadata"]["finalizers"]) == ["a.b/d", "a.b/e"]
    api.ok("PATCH", at, {"metadata": {"finalizers": None}}, MERGE)


def test_no_strategic_merge_for_custom_kinds(api: Cluster) -> None:
    establish(api, widgets())
    home = api.namespace()
    api.ok("POST", path("Widget", home), widget("one"))
    answer = api.call("PATCH", path("Widget", home, "one"), {}, STRATEGIC)
    assert (answer.code, answer.value["reason"]) == (415, "UnsupportedMediaType")


def test_a_name_cannot_be_patched(api: Cluster) -> None:
    answer = api.call("PATCH", made(api), {"metadata": {"name": "two"}}, MERGE)
    text = "the name of the object (two) does not match the name on the URL (one)"
    assert (answer.code, answer.value["message"]) == (400, text)


def test_generation_counts_changes_of_the_spec_alone(api: Cluster) -> None:
    home = api.namespace()
    api.ok("POST", path("EndpointSlice", home), of("EndpointSlice", "one", addressType="IPv4", endpoints=[]))
    at = path("EndpointSlice", home, "one")
    labelled = api.ok("PATCH", at, {"metadata": {"labels": {"a": "b"}}}, MERGE)
    changed = api.ok("PATCH", at, {"endpoints": [{"addresses": ["10.0.0.1"]}]}, MERGE)
    assert (labelled["metadata"]["generation"], changed["metadata"]["generation"]) == (2, 3)
