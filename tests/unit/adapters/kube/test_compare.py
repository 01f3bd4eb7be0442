"""What is there against what is wanted: a table of objects as API servers return them."""

from typing import Any

import pytest

from federation.adapters.kube.compare import body_is, stamped, status_is

PORT = 'k:{"port":80,"protocol":"TCP"}'
WANT: dict[str, Any] = {
    "metadata": {"labels": {"app.kubernetes.io/managed-by": "isthmus"}},
    "spec": {"ports": [{"name": "http", "port": 80}], "publishNotReadyAddresses": False},
}
OWNED: dict[str, Any] = {
    "f:metadata": {"f:labels": {".": {}, "f:app.kubernetes.io/managed-by": {}}},
    "f:spec": {"f:ports": {".": {}, PORT: {".": {}, "f:name": {}, "f:port": {}}}, "f:publishNotReadyAddresses": {}},
}


def there(spec: dict[str, Any] | None = None, owned: dict[str, Any] | None = None, **entry: Any) -> dict[str, Any]:
    """A Service as an API server returns it: with defaults, and with fields of others."""
    fields = {"manager": "isthmus", "operation": "Apply", "fieldsV1": OWNED if owned is None else owned} | entry
    port = {"name": "http", "port": 80, "protocol": "TCP", "targetPort": 80}
    return {
        "metadata": {
            "labels": {"app.kubernetes.io/managed-by": "isthmus", "theirs": "x"},
            "managedFields": [{"manager": "kubectl", "operation": "Update", "fieldsV1": {"f:metadata": {}}}, fields],
        },
        "spec": {"ports": [port], "clusterIP": "10.96.0.7"} | (spec or {}),
    }


TABLE: dict[str, tuple[dict[str, Any], bool]] = {
    "as applied, with defaults and others' fields": (there(), True),
    "nothing of it": ({}, False),
    "a value was changed": (there({"ports": [{"name": "x", "port": 80, "protocol": "TCP"}]}), False),
    "an item is gone": (there({"ports": []}), False),
    "another's item beside ours": (
        there(
            {"ports": [{"name": "b", "port": 81, "protocol": "TCP"}, {"name": "http", "port": 80, "protocol": "TCP"}]}
        ),
        True,
    ),
    "we own a field that is no longer wanted": (
        there(owned=OWNED | {"f:spec": OWNED["f:spec"] | {"f:sessionAffinity": {}}}),
        False,
    ),
    "we own an item that is no longer wanted": (
        there(
            owned=OWNED | {"f:spec": {"f:ports": OWNED["f:spec"]["f:ports"] | {'k:{"port":9,"protocol":"TCP"}': {}}}}
        ),
        False,
    ),
    "a field was taken over": (there(owned={"f:metadata": OWNED["f:metadata"]}), False),
    "another manager's": (there(manager="other"), False),
    "not applied but updated": (there(operation="Update"), False),
    "of the status": (there(subresource="status"), False),
}


@pytest.mark.parametrize("case", TABLE)
def test_whether_an_object_is_as_wanted(case: str) -> None:
    have, same = TABLE[case]
    assert body_is(WANT, have) is same


def slice_there(*endpoints: dict[str, Any]) -> dict[str, Any]:
    owned: dict[str, Any] = {"f:endpoints": {}, "f:addressType": {}}
    fields = [{"manager": "isthmus", "operation": "Apply", "fieldsV1": owned}]
    return {"metadata": {"managedFields": fields}, "addressType": "IPv4", "endpoints": list(endpoints)}


ENDPOINT = {"addresses": ["10.1.1.1"], "conditions": {"ready": True}}
ATOMIC: dict[str, tuple[list[dict[str, Any]], dict[str, Any], bool]] = {
    "the same": ([ENDPOINT], slice_there(ENDPOINT), True),
    "with a default": ([ENDPOINT], slice_there(ENDPOINT | {"nodeName": "n"}), True),
    "one more": ([ENDPOINT], slice_there(ENDPOINT, ENDPOINT), False),
    "one less": ([ENDPOINT, ENDPOINT], slice_there(ENDPOINT), False),
    "another": ([ENDPOINT], slice_there(ENDPOINT | {"addresses": ["10.1.1.2"]}), False),
    "none": ([], slice_there(), True),
}


@pytest.mark.parametrize("case", ATOMIC)
def test_whether_an_atomic_list_is_as_wanted(case: str) -> None:
    endpoints, have, same = ATOMIC[case]
    assert body_is({"endpoints": endpoints, "addressType": "IPv4"}, have) is same


CONDITION = {"type": "Ready", "status": "True", "reason": "Ready", "message": "fine"}
OLD, NOW = "2026-01-01T00:00:00Z", "2026-11-21T12:00:00Z"
STAMPS: dict[str, tuple[dict[str, Any], str]] = {
    "there is none yet": ({}, NOW),
    "the same": ({"conditions": [CONDITION | {"lastTransitionTime": OLD}]}, OLD),
    "another reason only": ({"conditions": [CONDITION | {"reason": "Pending", "lastTransitionTime": OLD}]}, OLD),
    "another status": ({"conditions": [CONDITION | {"status": "False", "lastTransitionTime": OLD}]}, NOW),
    "of another type": ({"conditions": [CONDITION | {"type": "Valid", "lastTransitionTime": OLD}]}, NOW),
}


@pytest.mark.parametrize("case", STAMPS)
def test_the_time_of_a_condition(case: str) -> None:
    status, time = STAMPS[case]
    told = stamped({"conditions": [CONDITION]}, {"status": status}, NOW)
    assert told == {"conditions": [CONDITION | {"lastTransitionTime": time}]}


def test_a_status_is_compared_with_its_times() -> None:
    keys: dict[str, Any] = {
        ".": {},
        "f:type": {},
        "f:status": {},
        "f:reason": {},
        "f:message": {},
        "f:lastTransitionTime": {},
    }
    owned = {"f:status": {"f:conditions": {'k:{"type":"Ready"}': keys}}}
    entry = {"manager": "isthmus", "operation": "Apply", "subresource": "status", "fieldsV1": owned}
    have = {
        "metadata": {"managedFields": [entry]},
        "status": {"conditions": [{"type": "Theirs"}, CONDITION | {"lastTransitionTime": OLD}]},
    }
    for message, same in (("fine", True), ("not so fine", False)):
        want = stamped({"conditions": [CONDITION | {"message": message}]}, have, NOW)
        assert status_is({"status": want}, have) is same


def test_two_ports_of_one_number_are_told_apart_though_one_leaves_its_protocol_out() -> None:
    keys: dict[str, Any] = {"f:port": {}, "f:name": {}}
    ports = {'k:{"port":80,"protocol":"TCP"}': keys, 'k:{"port":80,"protocol":"UDP"}': keys | {"f:protocol": {}}}
    want = [{"name": "a", "port": 80}, {"name": "b", "port": 80, "protocol": "UDP"}]
    have = there({"ports": [want[0] | {"protocol": "TCP"}, want[1]]}, {"f:spec": {"f:ports": ports}})
    assert body_is({"spec": {"ports": want}}, have)
    assert not body_is({"spec": {"ports": [want[0], want[1] | {"name": "c"}]}}, have)
