"""The definitions on an API server: accepted, explained, listed in tables, and every bad object refused."""

import re
from pathlib import Path
from typing import Any

import pytest

from federation.wire.k8s.crd import KINDS, Kind, definition
from tests.worlds.api_server import ApiServer
from tests.worlds.bad_objects import BAD, Bad

CRDS = Path(__file__).parents[2] / "federation" / "crds"

GOOD: dict[str, dict[str, Any]] = {
    "TrafficPolicy": {
        "order": ["us-east", "@region", "@az", "member/us-west", "label/example.com/tier=gold", "label/empty="],
        "drain": ["eu"],
        "threshold": None,
        "capacity": 200,
        "prices": [{"from": "us-east", "to": "*", "perGB": 0.09}, {"from": "*", "to": "us-east", "perGB": 0.02}],
        "priceMs": 500,
        "residency": ["us-east", "us-west"],
        "minShare": {"us-east": 60, "us-west": 40},
        "maxShare": {"us-east": 60},
        "canary": {"to": "us-west", "percent": 0.1},
        "mirror": {"to": "member/eu", "percent": 100},
        "panic": {"action": "fallback", "below": 20, "fallback": "sorry"},
        "affinity": {"by": "cookie", "name": "seat", "seconds": 600},
        "return": {"percent": 20},
        "probe": {"path": "/healthz"},
        "timeouts": {"requestMs": 2000},
        "retries": {"retryOn": ["5xx", "unavailable"], "baseMs": 25, "maxMs": 250, "budget": {"percent": 10}},
        "circuitBreakers": {"maxConnections": 100},
        "outlierDetection": {"consecutiveErrors": 5, "maxEjectionMs": 9000},
        "slowStart": {"seconds": 30},
        "rateLimit": {"requestsPerSecond": 1000},
        "maxConnectionAgeSeconds": 600,
    },
    "GlobalName": {
        "host": "shop.example.com",
        "service": "web",
        "policy": "weighted",
        "weights": {"us-east": 1, "us-west": 0},
        "minTTL": 5,
        "answers": 2,
        "apart": "region",
        "routing": [
            {"name": "world", "geo": [{"match": ["continent/EU"], "to": ["policy/eu"]}], "otherwise": ["policy/try"]},
            {"name": "eu", "failover": ["eu-central", "policy/near"], "atLeast": 2, "whenDown": "open"},
            {"name": "near", "proximity": [{"to": "us-east", "latitude": 40.7, "longitude": -74, "bias": 10}]},
            {"name": "try", "canary": {"to": "label/tier=next", "percent": 0.5}, "otherwise": ["policy/nets"]},
            {"name": "nets", "subnets": [{"match": ["192.0.2.0/24"], "to": ["*"]}], "otherwise": ["policy/split"]},
            {"name": "split", "weighted": [{"to": "policy/fast", "weight": 3}, {"to": "policy/sorry", "weight": 0}]},
            {"name": "fast", "latency": ["us-east", "policy/law"]},
            {"name": "law", "steered": ["*"]},
            {"name": "sorry", "static": ["192.0.2.1", "2001:db8::1"]},
        ],
    },
    "AccessPolicy": {
        "service": "web",
        "from": [{"member": "us-east", "namespace": "shop", "serviceAccount": "front"}, {}],
        "ports": ["http", "443", "8080-tcp", "65535"],
        "methods": ["GET"],
        "paths": ["/", "/api"],
    },
    "EgressPolicy": {
        "serviceAccounts": ["cart", "a.b"],
        "to": [{"namespace": "shop", "service": "web"}, {}],
        "addresses": ["us-east"],
    },
    "Drain": {"reason": "upgrade"},
    "MemberCluster": {},
    "ClusterProperty": {"value": "us-east"},
    "ServiceExport": {"exportedLabels": {"team": "shop"}},
    "ServiceImport": {"type": "ClusterSetIP", "ips": ["10.1.0.1"], "ports": [{"port": 80, "protocol": "TCP"}]},
}


def path(kind: Kind, version: str) -> str:
    inside = "/namespaces/default" if kind.scope == "Namespaced" else ""
    return f"/apis/{kind.group}/{version}{inside}/{kind.plural}"


def document(kind: Kind, spec: dict[str, Any], name: str = "web", version: str = "") -> dict[str, Any]:
    found = {
        "apiVersion": f"{kind.group}/{version or kind.versions[-1]}",
        "kind": kind.kind,
        "metadata": {"name": name},
    }
    return found if kind.spec is None else found | {"spec": spec}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_a_bad_object_is_refused(server: ApiServer, bad: Bad) -> None:
    kind = KINDS[bad.kind]
    status, answer = server.call("POST", path(kind, kind.versions[-1]), document(kind, bad.spec, bad.name))
    assert (status, answer["kind"]) == (422, "Status")
    assert bad.server in answer["message"]


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_a_good_object_is_taken_in_every_version_and_shown(server: ApiServer, kind: Kind) -> None:
    for version in kind.versions:
        made, answer = server.call(
            "POST", path(kind, version), document(kind, GOOD[kind.kind], f"good-{version}", version)
        )
        assert made == 201, answer
    for name in (*kind.short, kind.plural):
        head, *rows = server.kubectl("get", name).stdout.splitlines()
        assert re.split(r"  +", head.strip()) == ["NAME", *(one.name.upper() for one in kind.columns if not one.wide)]
        assert {row.split()[0] for row in rows} >= {f"good-{version}" for version in kind.versions}


def largest() -> dict[str, dict[str, Any]]:
    """As many of everything that a rule compares as there may be, as long as they may be."""
    terms = [f"label/{'k' * 300}{at:02}={'v' * 63}" for at in range(32)]
    regions = [f"{'r' * 61}{at:02}" for at in range(32)]
    prices = [{"from": one, "to": other, "perGB": 1} for one in regions for other in regions[:2]]
    steering = {
        "order": terms,
        "drain": regions,
        "prices": prices,
        "residency": regions,
        "minShare": dict.fromkeys(regions, 3),
        "maxShare": dict.fromkeys(regions, 3),
    }
    names = [f"{'p' * 61}{at:02}" for at in range(32)]
    routing = [{"name": one, "failover": [f"policy/{names[-1]}", *regions[:3]]} for one in names[:-1]]
    nets = [{"match": [f"10.{at}.{n}.0/24" for n in range(256)], "to": ["*"]} for at in range(64)]
    name = {"host": f"{'h' * 63}." * 3 + "example.com", "service": "web", "policy": "weighted", "minTTL": 5}
    return {
        "TrafficPolicy": steering,
        "GlobalName": {
            **steering,
            **name,
            "weights": dict.fromkeys(regions, 1),
            "routing": [*routing, {"name": names[-1], "subnets": nets, "otherwise": ["*"]}],
        },
    }


@pytest.mark.parametrize("kind", ["TrafficPolicy", "GlobalName"])
def test_the_largest_object_is_not_too_dear_for_the_rules(server: ApiServer, kind: str) -> None:
    """An API server bounds what the rules of one object cost it."""
    one = KINDS[kind]
    made, answer = server.call("POST", path(one, one.versions[-1]) + "?dryRun=All", document(one, largest()[kind]))
    assert made == 201, answer["message"]
    assert len(answer["spec"]["order"]) == 32


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_explain_says_what_every_field_is_for(server: ApiServer, kind: Kind) -> None:
    part = "status" if kind.spec is None else "spec"
    told = server.kubectl("explain", f"{kind.plural}.{part}")
    assert told.returncode == 0, told.stderr
    schema = definition(kind)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"][part]
    shown = " ".join(told.stdout.split())
    assert schema["description"] in shown
    assert all(field["description"] in shown for field in schema["properties"].values() if "description" in field)


def test_the_definitions_have_no_faults(server: ApiServer) -> None:
    """NonStructuralSchema, and the approval that *.k8s.io needs, are conditions of the definition."""
    _, answer = server.call("GET", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions")
    conditions = {
        item["metadata"]["name"]: {one["type"]: one["status"] for one in item["status"]["conditions"]}
        for item in answer["items"]
    }
    good = {"NamesAccepted": "True", "Established": "True"}
    approved = {"KubernetesAPIApprovalPolicyConformant": "True"}
    assert conditions == {
        f"{kind.plural}.{kind.group}": good | (approved if kind.group == "about.k8s.io" else {})
        for kind in KINDS.values()
    }


def test_defaults_are_filled_in(server: ApiServer) -> None:
    kind = KINDS["GlobalName"]
    _, answer = server.call(
        "POST", path(kind, "v1alpha1") + "?dryRun=All", document(kind, GOOD["GlobalName"] | {"probe": {}})
    )
    assert answer["spec"]["ttl"] == 30
    numbers = {"port": 0, "intervalMs": 1000, "timeoutMs": 1000, "unhealthy": 3, "healthy": 2}
    assert answer["spec"]["probe"] == {"method": "GET", "verify": "system", **numbers}


def test_the_member_of_a_drain_cannot_be_changed(server: ApiServer) -> None:
    kind = KINDS["Drain"]
    server.call("POST", path(kind, "v1alpha1"), document(kind, {}, "own"))
    status, answer = server.call(
        "PATCH", path(kind, "v1alpha1") + "/own", {"spec": {"member": "us-east"}}, "application/merge-patch+json"
    )
    assert status == 422
    assert "member cannot be changed: delete this Drain and make another" in answer["message"]
    status, _ = server.call(
        "PATCH", path(kind, "v1alpha1") + "/own", {"spec": {"reason": "upgrade"}}, "application/merge-patch+json"
    )
    assert status == 200


STATUS = {
    "conditions": [
        {
            "type": "Ready",
            "status": "True",
            "reason": "Ready",
            "message": "",
            "observedGeneration": 1,
            "lastTransitionTime": "2026-11-21T13:00:00Z",
        }
    ]
}


@pytest.mark.parametrize("kind", [kind for kind in KINDS.values() if kind.status], ids=lambda kind: kind.kind)
def test_status_is_written_apart_and_its_conditions_merge_by_type(server: ApiServer, kind: Kind) -> None:
    here = path(kind, kind.versions[-1])
    server.call("POST", here, document(kind, GOOD[kind.kind], "stands") | {"status": STATUS})
    status, answer = server.call("GET", here + "/stands")
    assert "status" not in answer, "a status in the object itself is not taken"
    for manager, one in (("a", "Ready"), ("b", "Valid")):
        body = document(kind, {}, "stands")
        body.pop("spec", None)
        condition = STATUS["conditions"][0] | {"type": one}
        url = f"{here}/stands/status?fieldManager={manager}"
        status, answer = server.call(
            "PATCH", url, body | {"status": {"conditions": [condition]}}, "application/apply-patch+yaml"
        )
        assert status == 200, answer
    assert [one["type"] for one in answer["status"]["conditions"]] == ["Ready", "Valid"]


def test_what_is_written_through_v1alpha1_is_read_through_v1beta1(server: ApiServer) -> None:
    kind = KINDS["ServiceExport"]
    server.call("POST", path(kind, "v1alpha1"), document(kind, GOOD["ServiceExport"], "old", "v1alpha1"))
    assert server.call("GET", path(kind, "v1beta1") + "/old")[1]["spec"] == GOOD["ServiceExport"]


def test_the_examples_of_the_readme_are_taken(server: ApiServer) -> None:
    blocks = (CRDS / "README.md").read_text().split("```yaml\n")[1:]
    text = "\n---\n".join(
        block.partition("```")[0].replace("namespace: shop", "namespace: default") for block in blocks
    )
    done = server.kubectl("create", "--dry-run=server", "-f", "-", text=text)
    assert (done.returncode, len(done.stdout.splitlines())) == (0, len(blocks)), done.stderr
