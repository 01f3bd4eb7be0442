"""The specs of the MCS API conformance suite (mcs-api v0.5.0), number and name, as far as a control plane shows them.

Those that need pods that connect (14, 18 to 21) are looked at in what the proxies are told; those of DNS (22 to 27) stand in
tests/unit/gslb/test_mcs_specs.py. The upstream suite itself needs a kubelet in each cluster.
"""

from typing import Any

import pytest

from tests.netns.spaces import await_true
from tests.worlds.federated import Federated, Member, stays

CONFLICT = ("True", "PortConflict")


def exported(member: Member, name: str = "hello") -> None:
    await_true("the export is valid", lambda: member.said(name).get("Valid") == ("True", "Valid"))


def imports(*members: Member, name: str = "hello") -> list[Any]:
    return [await_true(f"an import in {member.name}", lambda m=member: m.imported(name)) for member in members]  # type: ignore[misc]


def gone(*members: Member, name: str = "hello") -> None:
    for member in members:
        await_true(f"no import in {member.name}", lambda m=member: m.get("ServiceImport", name) is None)  # type: ignore[misc]


def test_spec_01_an_import_exists_while_at_least_one_cluster_exports(both: Federated) -> None:
    east, eu = both.fresh()
    for member in (east, eu):
        member.hello()
        member.export()
        imports(east, eu)
    await_true("both are named", lambda: len((eu.imported() or {}).get("status", {}).get("clusters", ())) == 2)
    east.delete("ServiceExport", "hello")
    await_true("one is named", lambda: len((eu.imported() or {}).get("status", {}).get("clusters", ())) == 1)
    imports(east, eu)
    eu.delete("ServiceExport", "hello")
    gone(east, eu)


def test_spec_02_exporting_a_cluster_ip_service_makes_an_import_in_each_cluster_and_unexporting_deletes_it(
    both: Federated,
) -> None:
    east, eu = both.fresh()
    east.hello()
    east.export()
    exported(east)
    assert [found["spec"]["type"] for found in imports(east, eu)] == ["ClusterSetIP", "ClusterSetIP"]
    east.delete("ServiceExport", "hello")
    gone(east, eu)
    for member in (east, eu):
        await_true("slices are gone", lambda m=member: not m.slices())  # type: ignore[misc]
        await_true("the derived service is gone", lambda m=member: not m.derived())  # type: ignore[misc]


TRAITS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "03_session_affinity": (
        {},
        {"sessionAffinity": "ClientIP", "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 10}}},
    ),
    "04_internal_traffic_policy": ({"internalTrafficPolicy": "Local"}, {"internalTrafficPolicy": "Local"}),
    "05_traffic_distribution": ({"trafficDistribution": "PreferClose"}, {"trafficDistribution": "PreferClose"}),
}


@pytest.mark.parametrize("spec", TRAITS)
def test_spec_what_the_service_says_the_import_says(both: Federated, spec: str) -> None:
    given, wanted = TRAITS[spec]
    east, eu = both.fresh()
    east.hello(**given)
    east.export()
    for found in imports(east, eu):
        assert {key: found["spec"].get(key) for key in wanted} == wanted


def test_spec_06_an_import_has_one_address_for_each_family_in_the_same_order(both: Federated) -> None:
    east, eu = both.fresh()
    east.hello(ipFamilyPolicy="PreferDualStack")
    east.export()
    for member, found in zip((east, eu), imports(east, eu), strict=True):
        [derived] = member.derived()
        assert found["spec"]["ips"] == derived["spec"]["clusterIPs"]
        assert found["spec"]["ipFamilies"] == derived["spec"]["ipFamilies"]
        assert [":" in ip for ip in found["spec"]["ips"]] == [f == "IPv6" for f in found["spec"]["ipFamilies"]]


def test_spec_07_the_ports_of_the_import_are_those_of_the_service(both: Federated) -> None:
    east, eu = both.fresh()
    east.hello()
    east.export()
    for found in imports(east, eu):
        assert found["spec"]["ports"] == [
            {"name": "tcp", "port": 42, "protocol": "TCP"},
            {"name": "udp", "port": 42, "protocol": "UDP"},
        ]


def second(both: Federated, one: dict[str, Any], other: dict[str, Any]) -> tuple[Member, Member]:
    """us-east exports first; eu-central when that is imported and numbered."""
    east, eu = both.fresh()
    east.hello(**one)
    east.export()
    imports(east, eu)
    numbered(east)
    eu.hello(**other)
    eu.export()
    return east, eu


def numbered(member: Member) -> None:
    text = "Exported to the federation."
    await_true("a number", lambda: member.conditions("ServiceExport", "hello").get("Ready", {}).get("message") == text)


def conflict(east: Member, eu: Member, reason: str) -> None:
    for member in (east, eu):
        await_true(f"the conflict at {member.name}", lambda m=member: m.said().get("Conflict") == ("True", reason))  # type: ignore[misc]


def test_spec_08_ports_of_two_exports_are_united(both: Federated) -> None:
    more = [
        {"name": "tcp", "port": 42},
        {"name": "udp", "port": 42, "protocol": "UDP"},
        {"name": "stcp", "port": 142, "protocol": "SCTP"},
    ]
    east, eu = second(both, {}, {"ports": more})
    conflict(east, eu, "PortConflict")
    for found in imports(east, eu):
        assert {(p["name"], p["port"], p["protocol"]) for p in found["spec"]["ports"]} == {
            ("tcp", 42, "TCP"),
            ("udp", 42, "UDP"),
            ("stcp", 142, "SCTP"),
        }


def test_spec_09_a_port_of_the_same_name_and_another_number_is_the_oldest_exports(both: Federated) -> None:
    east, eu = second(both, {"ports": [{"name": "tcp", "port": 42}]}, {"ports": [{"name": "tcp", "port": 4242}]})
    conflict(east, eu, "PortConflict")
    for found in imports(east, eu):
        assert found["spec"]["ports"] == [{"name": "tcp", "port": 42, "protocol": "TCP"}]


def test_spec_10_exporting_a_headless_service_makes_headless_imports_and_unexporting_deletes_them(
    both: Federated,
) -> None:
    east, eu = both.fresh()
    east.hello(clusterIP="None")
    east.export()
    assert [found["spec"]["type"] for found in imports(east, eu)] == ["Headless", "Headless"]
    east.delete("ServiceExport", "hello")
    gone(east, eu)


def test_spec_11_a_headless_import_has_no_address(both: Federated) -> None:
    east, eu = both.fresh()
    east.hello(clusterIP="None")
    east.export()
    imports(east, eu)
    stays("no address", lambda: not any(m.imported()["spec"].get("ips") for m in (east, eu)), east)  # type: ignore[index]
    assert east.derived() == eu.derived() == []


def test_spec_12_an_external_name_service_cannot_be_exported(both: Federated) -> None:
    east, eu = both.fresh()
    east.apply("Service", "hello", spec={"type": "ExternalName", "externalName": "example.com"})
    east.export()
    await_true("Valid=False", lambda: east.said().get("Valid") == ("False", "InvalidServiceType"))
    stays("no import", lambda: all(m.get("ServiceImport", "hello") is None for m in (east, eu)), east)


def test_spec_13_headlessness_is_the_oldest_exports(both: Federated) -> None:
    east, eu = second(both, {"sessionAffinity": "None", "sessionAffinityConfig": None}, {"clusterIP": "None"})
    conflict(east, eu, "TypeConflict")
    assert [found["spec"]["type"] for found in imports(east, eu)] == ["ClusterSetIP", "ClusterSetIP"]


def test_spec_14_what_is_not_exported_cannot_be_reached(both: Federated) -> None:
    east, eu = both.fresh()
    east.hello()
    stays("nothing of it stands", lambda: not any((*m.slices(), *m.derived()) for m in (east, eu)), east)
    assert all(m.get("ServiceImport", "hello") is None for m in (east, eu))
    services = [row["service"] for row in both.site.status("eu-central")["services"]]
    assert f"{eu.namespace}/hello" not in services


def test_spec_15_only_exported_labels_and_annotations_stand_on_the_import(both: Federated) -> None:
    east, eu = both.fresh()
    east.hello()
    east.apply("Service", "hello", metadata={"labels": {"dont": "copy"}}, spec={"ports": [{"name": "tcp", "port": 42}]})
    given = {"exportedLabels": {"tier": "front"}, "exportedAnnotations": {"example.com/owner": "shop team"}}
    east.apply(
        "ServiceExport", "hello", metadata={"labels": {"nor": "this"}, "annotations": {"nor": "that"}}, spec=given
    )
    for found in imports(east, eu):
        labels = {k: v for k, v in found["metadata"]["labels"].items() if k != "app.kubernetes.io/managed-by"}
        assert (labels, found["metadata"].get("annotations")) == ({"tier": "front"}, {"example.com/owner": "shop team"})


def test_spec_16_conflicting_labels_and_annotations_are_the_oldest_exports_whole(both: Federated) -> None:
    east, eu = both.fresh()
    for member, said in ((east, {"a": "1", "b": "2"}), (eu, {"a": "1", "c": "3"})):
        member.hello()
        member.export(exportedLabels=said, exportedAnnotations=said)
        imports(east, eu)
        numbered(member)
    conflict(east, eu, "LabelsConflict,AnnotationsConflict")
    for found in imports(east, eu):
        assert {k: v for k, v in found["metadata"]["labels"].items() if len(k) == 1} == {"a": "1", "b": "2"}
        assert found["metadata"]["annotations"] == {"a": "1", "b": "2"}


def test_spec_17_slices_stand_in_each_cluster_and_go_with_the_export(both: Federated) -> None:
    east, eu = both.fresh()
    east.hello()
    east.export()
    for member in (east, eu):
        [found] = await_true(f"a slice in {member.name}", lambda m=member: m.slices(source="us-east"))  # type: ignore[misc]
        assert found["metadata"]["labels"]["endpointslice.kubernetes.io/managed-by"] == "isthmus.dev"
        assert "kubernetes.io/service-name" not in found["metadata"]["labels"]
        assert [one["addresses"] for one in found["endpoints"]] == [["10.1.1.11"], ["10.1.1.12"]]
    east.delete("ServiceExport", "hello")
    for member in (east, eu):
        await_true("the slices are gone", lambda m=member: not m.slices())  # type: ignore[misc]


def told(both: Federated, member: Member, name: str = "hello") -> dict[str, Any]:
    """What the law is told of the import: candidates, each with its endpoints."""
    found: dict[str, Any] = both.site.explain(member.name, f"{member.namespace}/{name}")
    return {row["member"]: row for row in found["inputs"]}


def test_spec_18_an_import_leads_from_every_cluster_to_the_exporter(both: Federated) -> None:
    east, eu = both.fresh()
    east.hello()
    east.export()
    imports(east, eu)
    for member in (east, eu):
        assert {name: row["ready"] for name, row in told(both, member).items()} == {"us-east": 2}


def test_spec_19_a_service_in_both_clusters_that_one_exports_is_reached_only_there(both: Federated) -> None:
    east, eu = both.fresh()
    east.hello()
    eu.hello()
    east.export()
    imports(east, eu)
    for member in (east, eu):
        assert told(both, member).keys() == {"us-east"}
        assert {s["metadata"]["labels"]["multicluster.kubernetes.io/source-cluster"] for s in member.slices()} == {
            "us-east"
        }


PORTS: dict[str, tuple[list[dict[str, Any]], list[dict[str, Any]], dict[str, set[tuple[str, int]]]]] = {
    "20_same_name_other_number": (
        [{"name": "tcp", "port": 42}],
        [{"name": "tcp", "port": 4242}],
        {"us-east": {("tcp", 42)}, "eu-central": set()},
    ),
    "21_other_name_other_number": (
        [{"name": "tcp", "port": 42}],
        [{"name": "tcp2", "port": 4242}],
        {"us-east": {("tcp", 42)}, "eu-central": {("tcp2", 4242)}},
    ),
}


@pytest.mark.parametrize("spec", PORTS)
def test_spec_a_port_leads_only_to_the_clusters_that_expose_it(both: Federated, spec: str) -> None:
    first, other, wanted = PORTS[spec]
    east, eu = second(both, {"ports": first}, {"ports": other})
    conflict(east, eu, "PortConflict")
    for member in (east, eu):
        for source, ports in wanted.items():
            found = await_true("slices", lambda m=member, s=source: m.slices(source=s))  # type: ignore[misc]
            assert {(p["name"], p["port"]) for one in found for p in one.get("ports") or ()} == ports
