"""Server-side apply: who owns what, conflicts, force, and what is taken away when it is applied no longer."""

from typing import Any

import pytest

from tests.kubernetes.objects import config, of, path, service, widget, widgets
from tests.worlds.clusters import APPLY, MERGE, Answer, Cluster, establish


def apply(
    api: Cluster, home: str, body: dict[str, Any], manager: str = "us", force: bool = False, sub: str = ""
) -> Answer:
    at = path(body["kind"], home, body["metadata"]["name"])
    query = f"fieldManager={manager}" + ("&force=true" if force else "")
    return api.call("PATCH", f"{at}{sub}?{query}", body, APPLY)


def owners(value: dict[str, Any]) -> dict[tuple[str, str], Any]:
    return {(one["manager"], one["operation"]): one["fieldsV1"] for one in value["metadata"].get("managedFields", [])}


def labelled(name: str, **labels: str) -> dict[str, Any]:
    return config(name, {"labels": labels})


def test_apply_creates_then_changes(api: Cluster) -> None:
    home = api.namespace()
    first = apply(api, home, config("one", a="1"))
    assert first.code == 201
    assert owners(first.value) == {("us", "Apply"): {"f:data": {"f:a": {}}}}
    second = apply(api, home, config("one", a="2"))
    assert (second.code, second.value["data"]) == (200, {"a": "2"})


def test_apply_again_writes_nothing(api: Cluster) -> None:
    home = api.namespace()
    first = apply(api, home, config("one", a="1"))
    assert apply(api, home, config("one", a="1")).version == first.version


def test_a_manager_is_required(api: Cluster) -> None:
    answer = api.call("PATCH", path("ConfigMap", api.namespace(), "one"), config("one"), APPLY)
    text = 'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required for apply patch'
    assert (answer.code, answer.value["message"]) == (422, text)


def test_a_conflict_names_manager_and_field(api: Cluster) -> None:
    home = api.namespace()
    apply(api, home, labelled("one", a="1"), "them")
    answer = apply(api, home, labelled("one", a="2"))
    assert (answer.code, answer.value["reason"]) == (409, "Conflict")
    text = 'Apply failed with 1 conflict: conflict with "them": .metadata.labels.a'
    assert answer.value["message"] == text
    cause = {"reason": "FieldManagerConflict", "message": 'conflict with "them"', "field": ".metadata.labels.a"}
    assert answer.value["details"]["causes"] == [cause]


def test_an_update_owns_too(api: Cluster) -> None:
    home = api.namespace()
    api.ok("POST", f"{path('ConfigMap', home)}?fieldManager=hand", labelled("one", a="1"))
    answer = apply(api, home, labelled("one", a="2"))
    text = 'Apply failed with 1 conflict: conflict with "hand" using v1: .metadata.labels.a'
    assert (answer.code, answer.value["message"]) == (409, text)


def test_two_conflicts(api: Cluster) -> None:
    home = api.namespace()
    apply(api, home, config("one", a="1", b="1"), "them")
    answer = apply(api, home, config("one", a="2", b="2"))
    text = 'Apply failed with 2 conflicts: conflicts with "them":\n- .data.a\n- .data.b'
    assert (answer.code, answer.value["message"]) == (409, text)


def test_force_takes_the_field(api: Cluster) -> None:
    home = api.namespace()
    apply(api, home, config("one", a="1", b="1"), "them")
    forced = apply(api, home, config("one", a="2"), force=True).value
    assert forced["data"] == {"a": "2", "b": "1"}
    assert owners(forced) == {
        ("them", "Apply"): {"f:data": {"f:b": {}}},
        ("us", "Apply"): {"f:data": {"f:a": {}}},
    }


def test_the_same_value_is_shared(api: Cluster) -> None:
    home = api.namespace()
    apply(api, home, config("one", a="1"), "them")
    both = apply(api, home, config("one", a="1"))
    assert both.code == 200 and set(owners(both.value)) == {("them", "Apply"), ("us", "Apply")}
    left = apply(api, home, config("one"), "them").value
    assert left["data"] == {"a": "1"} and set(owners(left)) == {("us", "Apply")}


def test_what_is_applied_no_longer_is_removed(api: Cluster) -> None:
    home = api.namespace()
    apply(api, home, config("one", a="1", b="1"))
    api.ok("PATCH", f"{path('ConfigMap', home, 'one')}?fieldManager=hand", {"data": {"c": "1"}}, MERGE)
    assert apply(api, home, config("one", a="1")).value["data"] == {"a": "1", "c": "1"}


def test_a_part_that_is_applied_no_longer_leaves_nothing_behind(api: Cluster) -> None:
    home = api.namespace()
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "one"}, "data": {"a": "1"}}
    apply(api, home, body)
    assert "data" not in apply(api, home, {key: value for key, value in body.items() if key != "data"}).value


def test_lists_by_key_have_owners_by_item(api: Cluster) -> None:
    home = api.namespace()
    one = {"name": "one", "port": 81, "protocol": "TCP"}
    two = {"name": "two", "port": 82, "protocol": "TCP"}
    apply(api, home, service("web", ports=[one]), "them")
    both = apply(api, home, service("web", ports=[two])).value
    assert sorted(port["name"] for port in both["spec"]["ports"]) == ["one", "two"]
    assert owners(both)["us", "Apply"] == {
        "f:spec": {
            "f:ports": {
                'k:{"port":82,"protocol":"TCP"}': {".": {}, "f:name": {}, "f:port": {}, "f:protocol": {}},
            }
        }
    }
    left = apply(api, home, of("Service", "web", spec={"type": "ClusterIP"})).value
    assert [port["name"] for port in left["spec"]["ports"]] == ["one"]


def test_atomic_lists_have_one_owner(api: Cluster) -> None:
    home = api.namespace()
    body: dict[str, Any] = {"addressType": "IPv4", "endpoints": [{"addresses": ["10.0.0.1"]}]}
    made = apply(api, home, of("EndpointSlice", "one", **body), "them")
    assert made.code == 201
    body["endpoints"] = [{"addresses": ["10.0.0.2"]}]
    answer = apply(api, home, of("EndpointSlice", "one", **body))
    assert answer.value["message"] == 'Apply failed with 1 conflict: conflict with "them": .endpoints'


def test_status_is_applied_apart(api: Cluster) -> None:
    establish(api, widgets())
    home = api.namespace()
    apply(api, home, widget("one"))
    status = of("Widget", "one", status={"phase": "Ready"})
    both = apply(api, home, status, "watcher", sub="/status").value
    assert both["status"] == {"phase": "Ready"} and both["spec"]["mode"] == "Open"
    entry = next(one for one in both["metadata"]["managedFields"] if one["manager"] == "watcher")
    assert (entry["subresource"], entry["fieldsV1"]) == ("status", {"f:status": {"f:phase": {}}})
    ignored = apply(api, home, widget("one") | {"status": {"phase": "Bad"}}).value
    assert ignored["status"] == {"phase": "Ready"}


def test_apply_to_status_of_what_is_not_there(api: Cluster) -> None:
    establish(api, widgets())
    answer = apply(api, api.namespace(), of("Widget", "one", status={"phase": "Ready"}), sub="/status")
    assert (answer.code, answer.value["message"]) == (404, 'widgets.suite.isthmus.dev "one" not found')


def test_managed_fields_are_not_for_the_applier(api: Cluster) -> None:
    home = api.namespace()
    made = apply(api, home, config("one", a="1")).value
    answer = api.call("PATCH", f"{path('ConfigMap', home, 'one')}?fieldManager=us", made, APPLY)
    assert (answer.code, answer.value["message"]) == (400, "metadata.managedFields must be nil")


def test_apply_with_a_version_needs_that_version(api: Cluster) -> None:
    home = api.namespace()
    first = apply(api, home, config("one", a="1"))
    apply(api, home, config("one", a="2"))
    body = config("one", {"resourceVersion": first.version}, a="3")
    assert apply(api, home, body).code == 409
    gone = config("two", {"uid": "11111111-1111-1111-1111-111111111111", "resourceVersion": "1"})
    assert apply(api, home, gone).code == 409


@pytest.mark.parametrize("sort", ["yaml", "json"])
def test_yaml_and_json_bodies(api: Cluster, sort: str) -> None:
    home = api.namespace()
    yaml = b"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: one\ndata:\n  a: '1'\n"
    body: Any = yaml if sort == "yaml" else config("one", a="1")
    made = api.ok("PATCH", f"{path('ConfigMap', home, 'one')}?fieldManager=us", body, APPLY)
    assert made["data"] == {"a": "1"}


def test_set_lists_and_map_lists_of_our_own_kinds(api: Cluster) -> None:
    establish(api, widgets())
    home = api.namespace()
    apply(api, home, widget("one", tags=["a"], ports=[{"name": "x", "port": 1}]), "them")
    both = apply(api, home, widget("one", tags=["b"], ports=[{"name": "y", "port": 2}])).value
    assert sorted(both["spec"]["tags"]) == ["a", "b"]
    assert sorted(one["name"] for one in both["spec"]["ports"]) == ["x", "y"]
    left = apply(api, home, widget("one"), "them").value
    assert left["spec"]["tags"] == ["b"] and [one["name"] for one in left["spec"]["ports"]] == ["y"]


def test_new_items_of_a_list_come_after_those_that_are_there(api: Cluster) -> None:
    establish(api, widgets())
    home = api.namespace()

    def names(manager: str, *wanted: str) -> list[str]:
        ports = [{"name": one} for one in wanted]
        return [one["name"] for one in apply(api, home, widget("one", ports=ports), manager).value["spec"]["ports"]]

    assert names("them", "b", "d") == ["b", "d"]
    assert names("us", "a") == ["b", "d", "a"]
    assert names("others", "c", "d") == ["b", "c", "d", "a"]
