"""The numbered rules of KEP-1645 (and KEP-2149 for the cluster's name) that no conformance spec asserts, on both beds."""

from typing import Any

import pytest

from tests.netns.spaces import await_true
from tests.worlds.command_line import said_apart
from tests.worlds.federated import Federated, Member, stays

WEB = [{"name": "http", "port": 80}]


def imported(member: Member, name: str = "hello") -> Any:
    return await_true(f"an import in {member.name}", lambda: member.imported(name))


def test_rule_01_the_export_of_a_peer_exports_nothing_of_ours(both: Federated) -> None:
    east, eu = both.fresh()
    east.hello()
    eu.hello()
    east.export()
    imported(eu)
    assert eu.get("ServiceExport", "hello") is None
    assert [one["cluster"] for one in imported(eu)["status"]["clusters"]] == ["us-east"]


def test_rule_04_a_cluster_without_the_namespace_imports_when_it_appears(both: Federated) -> None:
    east, eu = both.fresh("us-east")
    east.hello()
    east.export()
    imported(east)
    line = f'namespace "{eu.namespace}" does not exist'
    await_true("it waits, and says so", lambda: line in str(both.site.status("eu-central")["cluster"]["problems"]))
    both.make("eu-central", eu.namespace)
    imported(eu)
    assert line not in str(both.site.status("eu-central")["cluster"]["problems"])


def test_rule_04_only_the_controller_writes_an_import(both: Federated) -> None:
    """What somebody else changes or deletes comes back."""
    east, eu = both.fresh()
    east.hello(ports=WEB)
    east.export()
    before = imported(eu)["spec"]
    eu.apply("ServiceImport", "hello", spec={"type": "Headless", "ports": []})
    await_true("it is as it was", lambda: (eu.get("ServiceImport", "hello") or {}).get("spec") == before)
    eu.delete("ServiceImport", "hello")
    await_true("it is there again", lambda: (eu.imported() or {}).get("spec") == before)


@pytest.mark.parametrize("kind", ["NodePort", "LoadBalancer"])
def test_rule_05_every_service_with_an_address_is_a_cluster_set_ip(both: Federated, kind: str) -> None:
    east, eu = both.fresh()
    east.hello(type=kind)
    east.export()
    assert imported(eu)["spec"]["type"] == "ClusterSetIP"


def test_rule_06_the_address_is_stable_while_the_import_lives(both: Federated) -> None:
    """Over a change of the exporters, the loss of the derived Service, and a restart of the controller."""
    east, eu = both.fresh()
    east.hello()
    east.export()
    before = imported(eu)["spec"]["ips"]
    eu.hello()
    eu.export()
    east.delete("ServiceExport", "hello")
    await_true("eu-central alone exports", lambda: clusters(eu) == ["eu-central"])
    assert imported(eu)["spec"]["ips"] == before
    [derived] = eu.derived()
    eu.delete("Service", derived["metadata"]["name"])
    again = await_true(
        "it is made again", lambda: [d for d in eu.derived() if d["metadata"]["uid"] != derived["metadata"]["uid"]]
    )
    assert again[0]["spec"]["clusterIPs"] == before
    both.site.kill("eu-central-controller")
    both.site.run_controller("eu-central", both.clusters[1].kubeconfig)
    stays("the address", lambda: imported(eu)["spec"]["ips"] == before, eu)


def clusters(member: Member) -> list[str]:
    found = member.get("ServiceImport", "hello") or {}
    return [one["cluster"] for one in found.get("status", {}).get("clusters", ())]


def test_rule_08_a_slice_has_the_endpoints_of_one_source(both: Federated) -> None:
    east, eu = both.fresh()
    for member in (east, eu):
        member.hello()
        member.export()
    for member in (east, eu):
        for source, prefix in (("us-east", "10.1."), ("eu-central", "10.2.")):
            found = await_true("slices", lambda m=member, s=source: m.slices(source=s))  # type: ignore[misc]
            assert all(e["addresses"][0].startswith(prefix) for one in found for e in one["endpoints"])


def test_rule_09_the_endpoints_of_a_member_that_is_away_stay(both: Federated) -> None:
    """KEP-1645 recommends a Lease whose end removes them. A controller that is away says nothing of its pods: we keep them,
    the proxies' own probes decide (design section 6).
    """
    east, eu = both.fresh()
    east.hello()
    east.export()
    await_true("slices", lambda: eu.slices(source="us-east"))
    both.site.kill("us-east-controller")
    try:
        reachable = "/apis/isthmus.dev/v1alpha1/memberclusters/us-east"
        await_true("it is known to be away", lambda: not eu.cluster.ok("GET", reachable)["status"]["connected"])
        eu.hello("mark")
        eu.export("mark")
        imported(eu, "mark")
        assert eu.slices(source="us-east")
    finally:
        both.site.run_controller("us-east", both.clusters[0].kubeconfig)


def test_rule_11_a_conflict_ends_with_the_export_that_disagreed(both: Federated) -> None:
    east, eu = both.fresh()
    for member, affinity in ((east, "None"), (eu, "ClientIP")):
        member.hello(sessionAffinity=affinity, sessionAffinityConfig=None)
        member.export()
        imported(eu)
    await_true("the conflict", lambda: eu.said().get("Conflict", ("", ""))[0] == "True")
    east.delete("ServiceExport", "hello")
    await_true("no conflict", lambda: eu.said().get("Conflict") == ("False", "NoConflicts"))
    assert imported(eu)["spec"]["sessionAffinity"] == "ClientIP"


def test_rule_14_a_cluster_has_its_name_and_that_of_the_set(both: Federated) -> None:
    for name, cluster in zip(("us-east", "eu-central"), both.clusters, strict=True):
        base = "/apis/about.k8s.io/v1beta1/clusterproperties"
        assert cluster.ok("GET", f"{base}/cluster.clusterset.k8s.io")["spec"]["value"] == name
        assert cluster.ok("GET", f"{base}/clusterset.k8s.io")["spec"]["value"] == "acme.mesh"


MALFORMED: dict[str, tuple[str, dict[str, Any], str]] = {
    "a policy for a region that nobody is in": (
        "TrafficPolicy",
        {"spec": {"order": ["mars"]}},
        'field "spec.order": no member is in region "mars"; known: eu-central, us-east; the last good policy stays in force',
    ),
    "a name outside the granted zones": (
        "GlobalName",
        {"spec": {"host": "shop.example.com", "service": "hello"}},
        'field "spec.host": "shop.example.com" lies in no zone granted to this member (granted: none); it is not served',
    ),
}


@pytest.mark.parametrize("case", MALFORMED)
def test_what_cannot_be_obeyed_says_so_in_its_status(both: Federated, case: str) -> None:
    kind, body, message = MALFORMED[case]
    east, _ = both.fresh()
    east.hello()
    east.apply(kind, "hello", **body)
    found = await_true("a condition", lambda: east.conditions(kind, "hello").get("Accepted"))
    assert (found["status"], found["message"], found["observedGeneration"]) == ("False", message, 1)


def test_a_malformed_slice_is_rejected_alone_and_said_at_the_export(both: Federated) -> None:
    east, eu = both.fresh()
    east.hello()
    east.export()
    imported(eu)
    labels = {"kubernetes.io/service-name": "hello"}
    bad = {"addressType": "IPv4", "endpoints": [{"addresses": ["240.0.0.1"]}], "ports": [{"name": "tcp", "port": 42}]}
    east.apply("EndpointSlice", "hello-2", metadata={"labels": labels}, **bad)
    await_true("Ready=False", lambda: east.said().get("Ready") == ("False", "Failed"))
    message = east.conditions("ServiceExport", "hello")["Ready"]["message"]
    assert message == (
        'EndpointSlice hello-2: field "endpoints[0].addresses": "240.0.0.1" lies in 240.0.0.0/4, which is never an endpoint'
    )
    assert eu.slices(source="us-east")[0]["endpoints"][0]["addresses"] == ["10.1.1.11"]
    east.delete("EndpointSlice", "hello-2")
    await_true("Ready=True", lambda: east.said().get("Ready") == ("True", "Exported"))


@pytest.mark.parametrize("stood", [True, False])
def test_an_export_that_is_malformed_now_says_what_stays_in_force(both: Federated, stood: bool) -> None:
    east, eu = both.fresh()
    east.hello()
    if stood:
        east.export(exportedLabels={"tier": "front"})
        imported(eu)
    east.export(exportedLabels={"kubernetes.io/service-name": "api"})
    await_true("Valid=False", lambda: east.said().get("Valid") == ("False", "InvalidField"))
    valid = east.conditions("ServiceExport", "hello")["Valid"]
    stays = "the last good state stays in force" if stood else "it is not exported"
    assert (valid["message"], valid["observedGeneration"]) == (
        'field "spec.exportedLabels": "kubernetes.io/service-name" is acted on by Kubernetes: '
        f"keys of kubernetes.io are not exported; {stays}",
        2 if stood else 1,
    )
    assert east.said()["Ready"] == (("True", "Exported") if stood else ("False", "Failed"))
    assert (eu.imported() is not None) == stood
    if stood:
        assert imported(eu)["metadata"]["labels"]["tier"] == "front"


def test_a_drain_moves_requests_everywhere_and_says_so(both: Federated) -> None:
    east, eu = both.fresh()
    for member in (east, eu):
        member.hello()
        member.export()
    imported(eu)
    drain = {"apiVersion": "isthmus.dev/v1alpha1", "kind": "Drain", "metadata": {"name": east.namespace}, "spec": {}}
    path = f"/apis/isthmus.dev/v1alpha1/drains/{east.namespace}"
    service = f"{east.namespace}/hello"
    try:
        east.cluster.ok("POST", "/apis/isthmus.dev/v1alpha1/drains", drain)
        for member in (east, eu):
            await_true(
                "eu-central has all",
                lambda m=member: [s["member"] for s in both.site.explain(m.name, service)["shares"]] == ["eu-central"],  # type: ignore[misc]
            )
        await_true("it is said", lambda: east.cluster.ok("GET", path).get("status", {}).get("conditions"))
    finally:
        east.cluster.call("DELETE", path)
    await_true(
        "us-east serves its own",
        lambda: "us-east" in [s["member"] for s in both.site.explain("us-east", service)["shares"]],
    )


def test_a_drain_by_command_is_the_object_and_may_be_hastened(both: Federated) -> None:
    east, eu = both.fresh()
    for member in (east, eu):
        member.hello()
        member.export()
        imported(member)
    path, api = "/apis/isthmus.dev/v1alpha1/drains/us-east", ("--api", str(both.site.folder("us-east").api))
    said_apart("undrain", "us-east", *api)
    try:
        drained = said_apart("drain", "us-east", "--over", "10m", "--reason", "kernel", "--force", *api)
        assert drained[0] == 0, drained
        assert east.cluster.ok("GET", path)["spec"] == {"member": "us-east", "over": "10m", "reason": "kernel"}
        await_true("it is said", lambda: "Accepted" in str(east.cluster.ok("GET", path).get("status")))
        rows = await_true("it is under way", lambda: both.site.status("us-east")["moves"]["drains"])
        assert [(row["by"], row["step"], row["reason"]) for row in rows] == [("Drain us-east", 1, "kernel")]
        hastened = said_apart("drain", "us-east", "--reason", "now", "--force", *api)
        assert hastened[0] == 0, hastened
        await_true("it is over", lambda: both.site.status("us-east")["moves"]["drains"][0]["step"] == 10)
        assert both.site.status("us-east")["moves"]["drains"][0]["since"] == rows[0]["since"]
        assert said_apart("undrain", "us-east", *api)[:2] == (0, "us-east comes back\n")
        assert east.cluster.call("GET", path).code == 404
        await_true("it is none", lambda: both.site.status("us-east")["moves"]["drains"] == [])
    finally:
        east.cluster.call("DELETE", path)
