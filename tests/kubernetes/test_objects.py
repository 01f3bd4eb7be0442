"""Create, read, replace and delete: what every kind has in common, with the words that clients look at."""

from typing import Any

import pytest

from tests.kubernetes.objects import config, of, path, service
from tests.worlds.clusters import MERGE, Cluster


def refusal(answer: Any) -> tuple[int, str, str]:
    """Code, reason and message of a Status."""
    return answer.code, answer.value.get("reason", ""), answer.value["message"]


def test_create_gives_uid_version_and_time(api: Cluster) -> None:
    home = api.namespace()
    answer = api.call("POST", path("ConfigMap", home), config("one", a="1"))
    meta = answer.value["metadata"]
    assert answer.code == 201
    assert (meta["name"], meta["namespace"]) == ("one", home)
    assert meta["uid"] and int(meta["resourceVersion"]) and meta["creationTimestamp"].endswith("Z")
    assert "generation" not in meta
    assert api.ok("GET", path("ConfigMap", home, "one")) == answer.value


def test_generate_name(api: Cluster) -> None:
    home = api.namespace()
    body = config("x") | {"metadata": {"generateName": "part-"}}
    name = api.ok("POST", path("ConfigMap", home), body)["metadata"]["name"]
    assert name.startswith("part-") and len(name) == len("part-") + 5


def test_versions_are_one_rising_counter(api: Cluster) -> None:
    home = api.namespace()
    versions = [
        int(api.ok("POST", path(kind, home), body)["metadata"]["resourceVersion"])
        for kind, body in (("ConfigMap", config("a")), ("Secret", of("Secret", "b")), ("ConfigMap", config("c")))
    ]
    assert versions == sorted(set(versions))


def test_refusals_by_name(api: Cluster) -> None:
    home = api.namespace()
    at = path("ConfigMap", home)
    api.ok("POST", at, config("one"))
    rows: list[tuple[Any, tuple[int, str, str]]] = [
        (("POST", at, config("one")), (409, "AlreadyExists", 'configmaps "one" already exists')),
        (("GET", f"{at}/two"), (404, "NotFound", 'configmaps "two" not found')),
        (("DELETE", f"{at}/two"), (404, "NotFound", 'configmaps "two" not found')),
        (("PUT", f"{at}/two", config("two")), (404, "NotFound", 'configmaps "two" not found')),
        (("PATCH", f"{at}/two", {}, MERGE), (404, "NotFound", 'configmaps "two" not found')),
        (
            ("PUT", f"{at}/one", config("two")),
            (400, "BadRequest", "the name of the object (two) does not match the name on the URL (one)"),
        ),
        (
            ("POST", at, config("three", {"namespace": "other"})),
            (
                400,
                "BadRequest",
                "the namespace of the provided object does not match the namespace sent on the request",
            ),
        ),
        (
            ("POST", at, config("three", {"resourceVersion": "3"})),
            (500, "", "resourceVersion should not be set on objects to be created"),
        ),
        (
            ("POST", path("ConfigMap", "nowhere"), config("one")),
            (404, "NotFound", 'namespaces "nowhere" not found'),
        ),
        (
            ("POST", f"{at}/one", config("one")),
            (405, "MethodNotAllowed", "the server does not allow this method on the requested resource"),
        ),
    ]
    for request, wanted in rows:
        assert refusal(api.call(*request)) == wanted, request


NAME = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end"


@pytest.mark.parametrize(
    ("meta", "field", "text"),
    [
        ({"name": "A_b"}, "metadata.name", f'Invalid value: "A_b": {NAME}'),
        ({"name": "x" * 254}, "metadata.name", "must be no more than 253 characters"),
        ({"labels": {"-x": "y"}}, "metadata.labels", 'Invalid value: "-x": name part must consist of alphanumeric'),
        ({"labels": {"x": "y y"}}, "metadata.labels", 'Invalid value: "y y": a valid label must be an empty string or'),
        ({"annotations": {"a b": ""}}, "metadata.annotations", 'Invalid value: "a b": name part must consist of'),
        ({"annotations": {"a": "x" * 262144}}, "metadata.annotations", "Too long: may not be more than 262144 bytes"),
        ({"labels": {"a": "x" * 64}}, "metadata.labels", "must be no more than 63"),
        ({"labels": {"a" * 64: "x"}}, "metadata.labels", "name part must be no more than 63"),
        ({"name": ""}, "metadata.name", "Required value: name or generateName is required"),
    ],
)
def test_invalid_metadata_names_field_and_reason(api: Cluster, meta: dict[str, Any], field: str, text: str) -> None:
    answer = api.call("POST", path("ConfigMap", api.namespace()), config("one", meta))
    assert answer.code == 422 and answer.value["reason"] == "Invalid"
    (cause,) = answer.value["details"]["causes"]
    assert cause["field"] == field and text in cause["message"]


def test_replace_needs_the_version_that_it_saw(api: Cluster) -> None:
    home = api.namespace()
    at = path("ConfigMap", home, "one")
    first = api.ok("POST", path("ConfigMap", home), config("one", a="1"))
    second = api.ok("PUT", at, first | {"data": {"a": "2"}})
    assert int(second["metadata"]["resourceVersion"]) > int(first["metadata"]["resourceVersion"])
    answer = api.call("PUT", at, first | {"data": {"a": "3"}})
    why = "the object has been modified; please apply your changes to the latest version and try again"
    text = f'Operation cannot be fulfilled on configmaps "one": {why}'
    assert refusal(answer) == (409, "Conflict", text)
    assert api.ok("GET", at)["data"] == {"a": "2"}


def test_replace_without_a_change_writes_nothing(api: Cluster) -> None:
    home = api.namespace()
    at = path("ConfigMap", home, "one")
    first = api.ok("POST", path("ConfigMap", home), config("one", a="1"))
    assert api.ok("PUT", at, first)["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]


@pytest.mark.parametrize("kind", ["Service", "Lease"])
def test_put_creates_some_kinds(api: Cluster, kind: str) -> None:
    body = service("one") if kind == "Service" else of("Lease", "one", spec={})
    assert api.call("PUT", path(kind, api.namespace(), "one"), body).code == 201


def test_a_lease_cannot_be_replaced_blindly(api: Cluster) -> None:
    home = api.namespace()
    body = of("Lease", "one", spec={"holderIdentity": "a"})
    api.ok("POST", path("Lease", home), body)
    answer = api.call("PUT", path("Lease", home, "one"), body)
    text = "metadata.resourceVersion: Invalid value: 0: must be specified for an update"
    assert refusal(answer) == (422, "Invalid", f'leases.coordination.k8s.io "one" is invalid: {text}')


def test_delete_answers_a_status_or_the_object(api: Cluster) -> None:
    home = api.namespace()
    made = api.ok("POST", path("ConfigMap", home), config("one"))
    gone = api.ok("DELETE", path("ConfigMap", home, "one"))
    assert gone["status"] == "Success"
    assert gone["details"] == {"name": "one", "kind": "configmaps", "uid": made["metadata"]["uid"]}
    api.ok("POST", path("Service", home), service("web"))
    assert api.ok("DELETE", path("Service", home, "web"))["kind"] == "Service"


def test_delete_preconditions(api: Cluster) -> None:
    home = api.namespace()
    made = api.ok("POST", path("ConfigMap", home), config("one"))["metadata"]
    for said, word in (("uid", "UID"), ("resourceVersion", "ResourceVersion")):
        answer = api.call("DELETE", path("ConfigMap", home, "one"), {"preconditions": {said: "1"}})
        assert answer.code == 409 and answer.value["reason"] == "Conflict"
        assert f"the {word} in the precondition (1) does not match the {word} in record" in answer.value["message"]
    kept = {"uid": made["uid"], "resourceVersion": made["resourceVersion"]}
    api.ok("DELETE", path("ConfigMap", home, "one"), {"preconditions": kept})


def test_finalizers_hold_an_object(api: Cluster) -> None:
    home = api.namespace()
    at = path("ConfigMap", home, "one")
    api.ok("POST", path("ConfigMap", home), config("one", {"finalizers": ["isthmus.dev/hold"]}))
    held = api.ok("DELETE", at)["metadata"]
    assert held["deletionTimestamp"] and held["deletionGracePeriodSeconds"] == 0
    again = api.ok("DELETE", at)["metadata"]
    assert again["deletionTimestamp"] == held["deletionTimestamp"]
    api.ok("PATCH", at, {"metadata": {"finalizers": None}}, MERGE)
    assert api.call("GET", at).code == 404


def test_owners_are_not_collected_by_the_api_server(bed: Any) -> None:
    api = bed.one
    if not api.tokens:
        pytest.skip("this cluster has a controller manager")
    home = api.namespace()
    owner = api.ok("POST", path("ConfigMap", home), config("owner"))["metadata"]
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner["uid"]}
    api.ok("POST", path("ConfigMap", home), config("owned", {"ownerReferences": [reference]}))
    api.ok("DELETE", path("ConfigMap", home, "owner"))
    assert api.call("GET", path("ConfigMap", home, "owned")).code == 200


def test_delete_collection_by_label(api: Cluster) -> None:
    home = api.namespace()
    for name, group in (("a", "x"), ("b", "x"), ("c", "y")):
        api.ok("POST", path("ConfigMap", home), config(name, {"labels": {"group": group}}))
    api.ok("DELETE", f"{path('ConfigMap', home)}?labelSelector=group%3Dx")
    left = [one["metadata"]["name"] for one in api.ok("GET", path("ConfigMap", home))["items"]]
    assert [name for name in left if len(name) == 1] == ["c"]


def test_a_terminating_namespace_takes_nothing_new(bed: Any) -> None:
    api = bed.one
    if not api.tokens:
        pytest.skip("this cluster has a controller manager")
    home = api.namespace()
    gone = api.ok("DELETE", f"/api/v1/namespaces/{home}")
    assert gone["status"]["phase"] == "Terminating" and gone["metadata"]["deletionTimestamp"]
    answer = api.call("POST", path("ConfigMap", home), config("one"))
    why = f"unable to create new content in namespace {home} because it is being terminated"
    assert refusal(answer) == (403, "Forbidden", f'configmaps "one" is forbidden: {why}')
    assert answer.value["details"]["causes"][0]["reason"] == "NamespaceTerminating"
    assert api.ok("GET", f"/api/v1/namespaces/{home}")["status"]["phase"] == "Terminating"


def test_dry_run_changes_nothing(api: Cluster) -> None:
    home = api.namespace()
    made = api.call("POST", f"{path('ConfigMap', home)}?dryRun=All", config("one"))
    assert made.code == 201 and "resourceVersion" not in made.value["metadata"]
    assert api.call("GET", path("ConfigMap", home, "one")).code == 404
    api.ok("POST", path("ConfigMap", home), config("one"))
    api.ok("DELETE", f"{path('ConfigMap', home, 'one')}?dryRun=All")
    changed = api.ok("PATCH", f"{path('ConfigMap', home, 'one')}?dryRun=All", {"data": {"a": "b"}}, MERGE)
    assert changed["data"] == {"a": "b"}
    assert "data" not in api.ok("GET", path("ConfigMap", home, "one"))
    assert api.call("POST", f"{path('ConfigMap', home)}?dryRun=Some", config("two")).code == 422


def test_field_validation(api: Cluster) -> None:
    home = api.namespace()
    body = service("web", colour="red")
    strict = api.call("POST", f"{path('Service', home)}?fieldValidation=Strict", body)
    text = 'Service in version "v1" cannot be handled as a Service: strict decoding error: unknown field "spec.colour"'
    assert refusal(strict) == (400, "BadRequest", text)
    warned = api.call("POST", f"{path('Service', home)}?fieldValidation=Warn&dryRun=All", body)
    assert warned.code == 201 and warned.headers["Warning"] == '299 - "unknown field \\"spec.colour\\""'
    ignored = api.call("POST", f"{path('Service', home)}?fieldValidation=Ignore", body)
    assert ignored.code == 201 and "Warning" not in ignored.headers
    assert "colour" not in ignored.value["spec"]


def test_wrong_types_are_bad_requests(api: Cluster) -> None:
    answer = api.call("POST", path("Service", api.namespace()), service("web", ports=[{"port": "a"}]))
    assert answer.code == 400 and answer.value["reason"] == "BadRequest"
    assert (
        'Service in version "v1" cannot be handled as a Service: json: cannot unmarshal string'
        in answer.value["message"]
    )


def test_limits_of_size(api: Cluster) -> None:
    home = api.namespace()
    large = {"annotations": {"a": "x" * 200_000}}
    endpoints = [{"addresses": ["10.0.0.1"], "targetRef": {"kind": "Pod", "name": "y" * 1700}}] * 1000
    body = of("EndpointSlice", "one", large, addressType="IPv4", endpoints=endpoints)
    answer = api.call("POST", path("EndpointSlice", home), body)
    assert refusal(answer) == (500, "", "etcdserver: request is too large")
    answer = api.call("POST", path("ConfigMap", home), config("one", a="x" * 3_500_000))
    text = "Request entity too large: limit is 3145728"
    assert refusal(answer) == (413, "RequestEntityTooLarge", text)


def test_bodies_that_cannot_be_read(api: Cluster) -> None:
    home = api.namespace()
    at = path("ConfigMap", home)
    assert api.call("POST", at, b"[", "application/json").code == 400
    assert api.call("POST", at, b"{}", "text/plain").code == 415
    assert api.call("PATCH", f"{at}/one", b"{}", "text/plain").code == 415
    other = api.call("POST", at, of("Secret", "one"))
    text = 'Secret in version "v1" cannot be handled as a ConfigMap: converting (v1.Secret) to (core.ConfigMap): unknown conversion'
    assert refusal(other) == (400, "BadRequest", text)


def test_what_is_not_served(api: Cluster) -> None:
    answer = api.call("GET", "/apis/nobody.example/v1/things")
    assert (answer.code, answer.value["text"]) == (404, "404 page not found\n")


def test_status_is_apart(api: Cluster) -> None:
    home = api.namespace()
    made = api.ok("POST", path("Pod", home), pod("p") | {"status": {"podIP": "10.0.0.9"}})
    assert "podIP" not in made["status"]
    at = path("Pod", home, "p")
    api.ok("PATCH", f"{at}/status", {"status": {"podIP": "10.0.0.9"}, "metadata": {"labels": {"a": "b"}}}, MERGE)
    found = api.ok("GET", at)
    assert found["status"]["podIP"] == "10.0.0.9"
    api.ok("PATCH", at, {"status": {"podIP": "10.0.0.8"}}, MERGE)
    assert api.ok("GET", at)["status"]["podIP"] == "10.0.0.9"


def pod(name: str) -> dict[str, Any]:
    return of("Pod", name, spec={"containers": [{"name": "c", "image": "i"}]})


def test_secrets_are_encoded(api: Cluster) -> None:
    made = api.ok("POST", path("Secret", api.namespace()), of("Secret", "s", stringData={"a": "b"}))
    assert (made["data"], made["type"]) == ({"a": "Yg=="}, "Opaque")
    assert "stringData" not in made
