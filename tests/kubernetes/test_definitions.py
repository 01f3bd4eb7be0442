"""CustomResourceDefinitions: pruning, defaults, everything a schema forbids, rules, versions and status."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.kubernetes.objects import path, widget, widgets
from tests.worlds.clusters import APPLY, MERGE, Bed, Cluster, establish

DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


@pytest.fixture
def api(bed: Bed) -> Iterator[Cluster]:
    establish(bed.one, widgets())
    yield bed.one


def test_a_definition_is_established(api: Cluster) -> None:
    found = api.ok("GET", f"{DEFINITIONS}/widgets.suite.isthmus.dev")["status"]
    conditions = {one["type"]: (one["status"], one["reason"]) for one in found["conditions"]}
    assert conditions["Established"] == ("True", "InitialNamesAccepted")
    assert conditions["NamesAccepted"] == ("True", "NoConflicts")
    assert found["storedVersions"] == ["v1"] and found["acceptedNames"]["kind"] == "Widget"


def test_unknown_fields_are_pruned_and_defaults_filled_in(api: Cluster) -> None:
    home = api.namespace()
    made = api.call("POST", path("Widget", home), widget("one", colour="red"))
    assert made.value["spec"] == {"mode": "Open", "size": 10}
    assert made.headers["Warning"] == '299 - "unknown field \\"spec.colour\\""'
    assert made.value["metadata"]["generation"] == 1
    strict = api.call("POST", f"{path('Widget', home)}?fieldValidation=Strict", widget("two", colour="red"))
    text = 'Widget in version "v1" cannot be handled as a Widget: strict decoding error: unknown field "spec.colour"'
    assert (strict.code, strict.value["message"]) == (400, text)


@pytest.mark.parametrize(
    ("spec", "field", "reason", "text"),
    [
        ({"mode": None}, "spec.mode", "FieldValueRequired", "Required value"),
        ({"mode": "x"}, "spec.mode", "FieldValueNotSupported", 'Unsupported value: "x": supported values: "Open", "Closed"'),
        ({"size": 0}, "spec.size", "FieldValueInvalid", "Invalid value: 0: spec.size in body should be greater than or equal to 1"),
        ({"size": 101}, "spec.size", "FieldValueInvalid", "Invalid value: 101: spec.size in body should be less than or equal to 100"),
        ({"size": "x"}, "spec.size", "FieldValueTypeInvalid", 'Invalid value: "string": spec.size in body must be of type integer: "string"'),
        ({"label": "A"}, "spec.label", "FieldValueInvalid", "Invalid value: \"A\": spec.label in body should match '^[a-z]+$'"),
        ({"label": "abcdefghi"}, "spec.label", "FieldValueTooLong", "Too long: may not be more than 8 bytes"),
        ({"tags": ["a", "b", "c", "d"]}, "spec.tags", "FieldValueTooMany", "Too many: 4: must have at most 3 items"),
        ({"tags": ["a", "a"]}, "spec.tags[1]", "FieldValueDuplicate", 'Duplicate value: "a"'),
        ({"ports": [{"name": "a"}, {"name": "a"}]}, "spec.ports[1]", "FieldValueDuplicate", 'Duplicate value: {"name":"a"}'),
        ({"ports": [{"port": 1}]}, "spec.ports[0].name", "FieldValueRequired", "Required value"),
        ({"ports": [{"name": "a", "port": 0}]}, "spec.ports[0].port", "FieldValueInvalid", "Invalid value: 0: spec.ports[0].port in body should be greater than or equal to 1"),
        ({"low": 2, "high": 1}, "spec", "FieldValueInvalid", "Invalid value: low must not be above high"),
    ],
)  # fmt: skip
def test_what_the_schema_forbids(api: Cluster, spec: dict[str, Any], field: str, reason: str, text: str) -> None:
    body = widget("one", **spec)
    body["spec"] = {name: one for name, one in body["spec"].items() if one is not None}
    answer = api.call("POST", path("Widget", api.namespace()), body)
    assert (answer.code, answer.value["reason"]) == (422, "Invalid")
    causes = [(one["field"], one["reason"], one["message"]) for one in answer.value["details"]["causes"]]
    assert (field, reason, text) in causes
    assert f'Widget.suite.isthmus.dev "one" is invalid: {field}: {text}' in answer.value["message"].replace(
        "[spec.", "spec."
    )


def test_rules_over_time(api: Cluster) -> None:
    home = api.namespace()
    api.ok("POST", path("Widget", home), widget("one", fixed="a"))
    at = path("Widget", home, "one")
    answer = api.call("PATCH", at, {"spec": {"fixed": "b"}}, MERGE)
    assert answer.code == 422
    assert answer.value["details"]["causes"][0]["field"] == "spec.fixed"
    assert answer.value["details"]["causes"][0]["message"].endswith("fixed is immutable")
    api.ok("PATCH", at, {"spec": {"size": 5}}, MERGE)


def test_an_object_of_the_wrong_shape(api: Cluster) -> None:
    answer = api.call("POST", path("Widget", api.namespace()), widget("one") | {"spec": "x"})
    assert answer.code == 422
    cause = answer.value["details"]["causes"][0]
    assert (cause["field"], cause["reason"]) == ("spec", "FieldValueTypeInvalid")


def test_status_and_spec_are_apart(api: Cluster) -> None:
    home = api.namespace()
    at = path("Widget", home, "one")
    made = api.ok("POST", path("Widget", home), widget("one") | {"status": {"phase": "Bad"}})
    assert "status" not in made
    ready = api.ok("PUT", f"{at}/status", made | {"status": {"phase": "Ready"}, "spec": {"mode": "Closed"}})
    assert (ready["status"], ready["spec"]["mode"]) == ({"phase": "Ready"}, "Open")
    assert ready["metadata"]["generation"] == 1
    closed = api.ok("PUT", at, ready | {"status": {"phase": "Bad"}, "spec": {"mode": "Closed"}})
    assert (closed["status"], closed["spec"]["mode"]) == ({"phase": "Ready"}, "Closed")
    assert closed["metadata"]["generation"] == 2


def test_versions_are_of_one_object(api: Cluster) -> None:
    home = api.namespace()
    api.ok("POST", path("Widget", home), widget("one", size=7))
    older = path("Widget", home, "one").replace("/v1/", "/v1alpha1/")
    found = api.ok("GET", older)
    assert (found["apiVersion"], found["spec"]["size"]) == ("suite.isthmus.dev/v1alpha1", 7)
    api.ok("PATCH", older, {"spec": {"size": 8}}, MERGE)
    assert api.ok("GET", path("Widget", home, "one"))["spec"]["size"] == 8
    listed = api.ok("GET", older.rpartition("/")[0])
    assert (listed["kind"], listed["items"][0]["apiVersion"]) == ("WidgetList", "suite.isthmus.dev/v1alpha1")


def test_a_custom_object_cannot_be_replaced_blindly(api: Cluster) -> None:
    home = api.namespace()
    api.ok("POST", path("Widget", home), widget("one"))
    answer = api.call("PUT", path("Widget", home, "one"), widget("one"))
    text = 'widgets.suite.isthmus.dev "one" is invalid: metadata.resourceVersion: Invalid value: 0: must be specified for an update'
    assert (answer.code, answer.value["message"]) == (422, text)


def test_a_watch_of_custom_objects(api: Cluster) -> None:
    home = api.namespace()
    since = api.ok("GET", path("Widget", home))["metadata"]["resourceVersion"]
    with api.watching(f"{path('Widget', home)}?watch=1&resourceVersion={since}") as events:
        api.ok("POST", path("Widget", home), widget("one"))
        event = next(events)
    assert (event["type"], event["object"]["kind"], event["object"]["apiVersion"]) == (
        "ADDED",
        "Widget",
        "suite.isthmus.dev/v1",
    )


def test_a_field_selector_of_custom_objects(api: Cluster) -> None:
    answer = api.call("GET", f"{path('Widget', api.namespace())}?fieldSelector=spec.mode%3DOpen")
    assert (answer.code, answer.value["message"]) == (400, "field label not supported: spec.mode")


def test_a_definition_comes_and_goes(api: Cluster) -> None:
    crd = widgets()
    crd["metadata"] = {"name": "gadgets.suite.isthmus.dev"}
    crd["spec"]["names"] = {"kind": "Gadget", "plural": "gadgets"}
    establish(api, crd)
    found = api.ok("GET", f"{DEFINITIONS}/gadgets.suite.isthmus.dev")["spec"]["names"]
    assert (found["singular"], found["listKind"]) == ("gadget", "GadgetList")
    api.ok("DELETE", f"{DEFINITIONS}/gadgets.suite.isthmus.dev")
    with api.watching(f"{DEFINITIONS}?watch=1&fieldSelector=metadata.name%3Dgadgets.suite.isthmus.dev") as events:
        if api.call("GET", f"{DEFINITIONS}/gadgets.suite.isthmus.dev").code == 200:
            while next(events)["type"] != "DELETED":
                pass
    assert api.call("GET", f"{DEFINITIONS}/gadgets.suite.isthmus.dev").code == 404


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"metadata": {"name": "wrong.suite.isthmus.dev"}}, "metadata.name"),
        ({"scope": "Everywhere"}, "spec.scope"),
    ],
)
def test_definitions_that_are_refused(api: Cluster, change: dict[str, Any], field: str) -> None:
    crd = widgets()
    crd["metadata"] = change.get("metadata", {"name": "things.suite.isthmus.dev"})
    crd["spec"] |= {"names": {"kind": "Thing", "plural": "things"}, "scope": change.get("scope", "Namespaced")}
    answer = api.call("POST", DEFINITIONS, crd)
    assert answer.code == 422
    assert field in [one["field"] for one in answer.value["details"]["causes"]]


def test_apply_validates_too(api: Cluster) -> None:
    at = f"{path('Widget', api.namespace(), 'one')}?fieldManager=us"
    assert api.call("PATCH", at, widget("one", mode="x"), APPLY).code == 422


def test_community_groups_need_an_approval(api: Cluster) -> None:
    crd = widgets()
    crd["metadata"] = {"name": "things.suite.k8s.io"}
    crd["spec"] |= {"group": "suite.k8s.io", "names": {"kind": "Thing", "plural": "things"}}
    answer = api.call("POST", DEFINITIONS, crd)
    (cause,) = answer.value["details"]["causes"]
    assert (answer.code, cause["field"]) == (422, "metadata.annotations[api-approved.kubernetes.io]")
    see = "see https://github.com/kubernetes/enhancements/pull/1111"
    why = f'protected groups must have approval annotation "api-approved.kubernetes.io", {see}'
    assert cause["message"] == f"Required value: {why}"
