"""Services and EndpointSlices: what the API server gives them and what it refuses."""

from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from tests.kubernetes.objects import of, path, service, slice_
from tests.worlds.clusters import MERGE, SERVICE_RANGE, Answer, Cluster


def causes(answer: Answer) -> list[tuple[str, str, str]]:
    assert answer.code == 422, answer
    return [(one["field"], one["reason"], one["message"]) for one in answer.value["details"]["causes"]]


def test_a_service_gets_an_address_and_defaults(api: Cluster) -> None:
    spec = api.ok("POST", path("Service", api.namespace()), service())["spec"]
    if api.tokens:
        assert ip_address(spec["clusterIP"]) in ip_network(SERVICE_RANGE)
    assert spec["clusterIPs"] == [spec["clusterIP"]]
    assert spec["ports"] == [{"port": 80, "protocol": "TCP", "targetPort": 80}]
    said = {name: spec[name] for name in ("type", "sessionAffinity", "internalTrafficPolicy", "ipFamilyPolicy")}
    assert said == {
        "type": "ClusterIP",
        "sessionAffinity": "None",
        "internalTrafficPolicy": "Cluster",
        "ipFamilyPolicy": "SingleStack",
    }


def test_addresses_are_unique_and_stay(api: Cluster) -> None:
    home = api.namespace()
    specs = [api.ok("POST", path("Service", home), service(f"web{n}"))["spec"] for n in range(3)]
    assert len({one["clusterIP"] for one in specs}) == 3
    changed = api.ok("PUT", path("Service", home, "web0"), service("web0", ports=[{"port": 81}]))
    assert changed["spec"]["clusterIP"] == specs[0]["clusterIP"]


def test_an_address_is_given_again_after_its_service_is_gone(api: Cluster) -> None:
    home = api.namespace()
    address = api.ok("POST", path("Service", home), service())["spec"]["clusterIP"]
    api.ok("DELETE", path("Service", home, "web"))
    made = api.ok("POST", path("Service", home), service("other", clusterIP=address))
    assert made["spec"]["clusterIP"] == address


def test_headless_and_external_name(api: Cluster) -> None:
    home = api.namespace()
    spec = api.ok("POST", path("Service", home), service("a", clusterIP="None"))["spec"]
    assert (spec["clusterIP"], spec["clusterIPs"]) == ("None", ["None"])
    body = of("Service", "b", spec={"type": "ExternalName", "externalName": "example.org"})
    spec = api.ok("POST", path("Service", home), body)["spec"]
    assert "clusterIP" not in spec and "ipFamilies" not in spec and "internalTrafficPolicy" not in spec


def test_addresses_that_cannot_be_had(api: Cluster) -> None:
    home = api.namespace()
    taken = api.ok("POST", path("Service", home), service())["spec"]["clusterIP"]
    for address, why in (
        (taken, "provided IP is already allocated"),
        ("192.0.2.1", "the provided network does not match the current range"),
    ):
        answer = api.call("POST", path("Service", home), service("two", clusterIP=address))
        text = f'Invalid value: ["{address}"]: failed to allocate IP {address}: {why}'
        assert causes(answer) == [("spec.clusterIPs", "FieldValueInvalid", text)]


def test_the_address_may_not_change(api: Cluster) -> None:
    home = api.namespace()
    api.ok("POST", path("Service", home), service())
    answer = api.call("PATCH", path("Service", home, "web"), {"spec": {"clusterIP": "192.0.2.1"}}, MERGE)
    text = 'Invalid value: ["192.0.2.1"]: may not change once set'
    assert causes(answer) == [("spec.clusterIPs[0]", "FieldValueInvalid", text)]


def test_families_that_the_cluster_has_not(api: Cluster) -> None:
    if not api.tokens:
        pytest.skip("this cluster may have two families")
    home = api.namespace()
    answer = api.call("POST", path("Service", home), service(ipFamilies=["IPv6"]))
    text = 'Invalid value: "IPv6": not configured on this cluster'
    assert causes(answer) == [("spec.ipFamilies[0]", "FieldValueInvalid", text)]
    answer = api.call("POST", path("Service", home), service(ipFamilyPolicy="RequireDualStack"))
    text = 'Invalid value: "RequireDualStack": this cluster is not configured for dual-stack services'
    assert causes(answer) == [("spec.ipFamilyPolicy", "FieldValueInvalid", text)]


@pytest.mark.parametrize(
    ("spec", "field", "text"),
    [
        ({"ports": []}, "spec.ports", "Required value"),
        ({"ports": [{"port": 80}, {"port": 81, "name": "b"}]}, "spec.ports[0].name", "Required value"),
        (
            {"ports": [{"port": 70000}]},
            "spec.ports[0].port",
            "Invalid value: 70000: must be between 1 and 65535, inclusive",
        ),
        (
            {"ports": [{"port": 80, "name": "a"}, {"port": 81, "name": "a"}]},
            "spec.ports[1].name",
            'Duplicate value: "a"',
        ),
        (
            {"ports": [{"port": 80, "protocol": "x"}]},
            "spec.ports[0].protocol",
            'Unsupported value: "x": supported values: "SCTP", "TCP", "UDP"',
        ),
        (
            {"sessionAffinity": "x"},
            "spec.sessionAffinity",
            'Unsupported value: "x": supported values: "ClientIP", "None"',
        ),
        (
            {"type": "x"},
            "spec.type",
            'Unsupported value: "x": supported values: "ClusterIP", "ExternalName", "LoadBalancer", "NodePort"',
        ),
        (
            {"internalTrafficPolicy": "x"},
            "spec.internalTrafficPolicy",
            'Unsupported value: "x": supported values: "Cluster", "Local"',
        ),
    ],
)
def test_services_that_are_refused(api: Cluster, spec: dict[str, Any], field: str, text: str) -> None:
    found = causes(api.call("POST", path("Service", api.namespace()), service("web", **spec)))
    assert (field, text) in [(one[0], one[2]) for one in found]


def test_client_ip_affinity_has_a_time(api: Cluster) -> None:
    spec = api.ok("POST", path("Service", api.namespace()), service(sessionAffinity="ClientIP"))["spec"]
    assert spec["sessionAffinityConfig"] == {"clientIP": {"timeoutSeconds": 10800}}


def test_a_slice_has_defaults(api: Cluster) -> None:
    body = slice_(ports=[{"port": 80}])
    made = api.ok("POST", path("EndpointSlice", api.namespace()), body)
    assert made["ports"] == [{"name": "", "port": 80, "protocol": "TCP"}]
    assert made["endpoints"] == [{"addresses": ["10.0.0.1"], "conditions": {}}]
    assert made["metadata"]["generation"] == 1


LABEL = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"


@pytest.mark.parametrize(
    ("body", "field", "text"),
    [
        ({"addressType": ""}, "addressType", "Required value"),
        ({"addressType": "x"}, "addressType", 'Unsupported value: "x": supported values: "FQDN", "IPv4", "IPv6"'),
        ({"endpoints": [{"addresses": []}]}, "endpoints[0].addresses", "Required value"),
        (
            {"endpoints": [{"addresses": ["zz"]}]},
            "endpoints[0].addresses[0]",
            'Invalid value: "zz": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)',
        ),
        (
            {"endpoints": [{"addresses": ["127.0.0.1"]}]},
            "endpoints[0].addresses[0]",
            'Invalid value: "127.0.0.1": may not be in the loopback range (127.0.0.0/8, ::1/128)',
        ),
        (
            {"endpoints": [{"addresses": ["169.254.0.1"]}]},
            "endpoints[0].addresses[0]",
            'Invalid value: "169.254.0.1": may not be in the link-local range (169.254.0.0/16, fe80::/10)',
        ),
        (
            {"endpoints": [{"addresses": ["224.0.0.1"]}]},
            "endpoints[0].addresses[0]",
            'Invalid value: "224.0.0.1": may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)',
        ),
        (
            {"endpoints": [{"addresses": ["0.0.0.0"]}]},
            "endpoints[0].addresses[0]",
            'Invalid value: "0.0.0.0": may not be unspecified (0.0.0.0)',
        ),
        (
            {"endpoints": [{"addresses": ["fd00::1"]}]},
            "endpoints[0].addresses",
            'Invalid value: "fd00::1": must be an IPv4 address',
        ),
        ({"endpoints": [{"addresses": ["10.0.0.1"], "hostname": "A_b"}]}, "endpoints[0].hostname", f'Invalid value: "A_b": {LABEL}'),
        ({"ports": [{"name": "a", "port": 1}, {"name": "a", "port": 2}]}, "ports[1].name", 'Duplicate value: "a"'),
        ({"ports": [{"name": "A", "port": 1}]}, "ports[0].name", f'Invalid value: "A": {LABEL}'),
        ({"ports": [{"name": f"p{n}", "port": 1} for n in range(20001)]}, "ports", "Too many: 20001: must have at most 20000 items"),
        ({"endpoints": [{"addresses": ["10.0.0.1"]}] * 1001}, "endpoints", "Too many: 1001: must have at most 1000 items"),
        (
            {"endpoints": [{"addresses": [f"10.0.0.{n}" for n in range(101)]}]},
            "endpoints[0].addresses",
            "Too many: 101: must have at most 100 items",
        ),
    ],
)  # fmt: skip
def test_slices_that_are_refused(api: Cluster, body: dict[str, Any], field: str, text: str) -> None:
    found = causes(api.call("POST", path("EndpointSlice", api.namespace()), slice_(**body)))
    assert [one for one in found if one[0] == field and one[2].startswith(text)], found


def test_the_address_type_may_not_change(api: Cluster) -> None:
    home = api.namespace()
    api.ok("POST", path("EndpointSlice", home), slice_(endpoints=[]))
    answer = api.call("PATCH", path("EndpointSlice", home, "web-1"), {"addressType": "IPv6"}, MERGE)
    ((field, reason, text),) = causes(answer)
    assert (field, reason) == ("addressType", "FieldValueInvalid") and text.endswith(": field is immutable")


def test_a_full_slice_fits(api: Cluster) -> None:
    endpoints = [{"addresses": [f"10.0.{n // 250}.{n % 250 + 1}"]} for n in range(1000)]
    made = api.ok("POST", path("EndpointSlice", api.namespace()), slice_(endpoints=endpoints))
    assert len(made["endpoints"]) == 1000
