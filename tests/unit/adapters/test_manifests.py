"""A folder of manifests: what is taken, and the exact line for each mistake."""

from pathlib import Path

import pytest

from federation.adapters.manifests import Manifests
from federation.model.errors import InputError
from federation.model.names import ServiceKey
from federation.wire.k8s.strict import read_manifest

WEB = ServiceKey("shop", "web")
SERVICE = """\
apiVersion: v1
kind: Service
metadata:
  name: web
  namespace: shop
spec:
  ports:
    - name: http
      port: 80
      targetPort: 8080
"""
SLICE = """\
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: web-1
  namespace: shop
  labels:
    kubernetes.io/service-name: web
addressType: IPv4
ports:
  - name: http
    port: 8080
endpoints:
  - addresses: [10.2.1.11]
  - addresses: [10.2.1.12]
    zone: z2
    conditions: {ready: false}
  - addresses: [10.2.1.13]
    conditions: {ready: false, serving: true, terminating: true}
"""
EXPORT = """\
apiVersion: multicluster.x-k8s.io/v1beta1
kind: ServiceExport
metadata:
  name: web
  namespace: shop
"""

POLICY = """\
apiVersion: isthmus.dev/v1alpha1
kind: TrafficPolicy
metadata:
  name: web
  namespace: shop
spec:
  weights:
    us-east: 2
"""
NAME = """\
apiVersion: isthmus.dev/v1alpha1
kind: GlobalName
metadata:
  name: shop
  namespace: shop
spec:
  host: shop.example.test
  service: web
"""
MISTAKES = {
    "unknown field": (
        SERVICE.replace("targetPort", "targetPrt"),
        'E111 web.yaml:10: unknown field "spec.ports[0].targetPrt", did you mean "spec.ports[0].targetPort"?',
    ),
    "unknown field with no likeness": (
        SERVICE + "zebra: 1\n",
        'E111 web.yaml:11: unknown field "zebra"',
    ),
    "wrong type": (
        SERVICE.replace("port: 80\n", 'port: "80"\n'),
        'E125 web.yaml:9: field "spec.ports[0].port": expected int, got str',
    ),
    "port 0": (
        SERVICE.replace("port: 80\n", "port: 0\n"),
        'E125 web.yaml:9: field "spec.ports[0].port": expected int >= 1',
    ),
    "unknown enum": (
        SLICE.replace("IPv4", "IPv5"),
        "E125 web.yaml:8: field \"addressType\": invalid enum value 'IPv5'",
    ),
    "missing field": (
        SERVICE.replace("      port: 80\n", ""),
        'E125 web.yaml:8: field "spec.ports[0]": object missing required field port',
    ),
    "duplicate key": (
        SERVICE + "kind: Service\n",
        'E125 web.yaml:11: duplicate key "kind" (first at line 2)',
    ),
    "unknown kind": (
        "apiVersion: v1\nkind: Pod\n",
        "E125 web.yaml:2: field \"kind\" is 'Pod': must be one of AccessPolicy, Drain, EgressPolicy, EndpointSlice, GlobalName, Service, ServiceExport, TrafficPolicy",
    ),
    "no mapping": (
        "- a\n- b\n",
        "E125 web.yaml:1: a document must be a mapping with apiVersion and kind",
    ),
    "tab": (
        SERVICE.replace("  name: web", "\tname: web"),
        "E125 web.yaml:4: found character '\\t' that cannot start any token",
    ),
    "alias": (
        "a: &x [1]\nb: *x\n",
        'E125 web.yaml:1: field "b" uses a YAML alias: write the value out',
    ),
    "name that DNS cannot carry": (
        SERVICE.replace("name: web", "name: Web/1"),
        'E125 web.yaml:4: field "metadata.name": "Web/1" is not a DNS label',
    ),
    "no address": (
        SLICE.replace("10.2.1.11", "10.2.1.999"),
        'E125 web.yaml:13: field "endpoints[0].addresses": "10.2.1.999" is not an IP address',
    ),
    "address of another family": (
        SLICE.replace("10.2.1.12", "fd00::1"),
        'E125 web.yaml:14: field "endpoints[1].addresses": "fd00::1" is not of addressType IPv4',
    ),
    "loopback": (
        SLICE.replace("10.2.1.11", "127.0.0.1"),
        'E125 web.yaml:13: field "endpoints[0].addresses": "127.0.0.1" lies in 127.0.0.0/8, which is never an endpoint',
    ),
    "FQDN": (
        SLICE.replace("IPv4", "FQDN"),
        'E125 web.yaml:8: field "addressType": FQDN endpoints cannot be reached by address and are not exported',
    ),
    "nested too deeply": ("a: " + "[" * 3000 + "]" * 3000, "E125 web.yaml: values are nested too deeply"),
    "not what its tag says": (
        SERVICE.replace("port: 80\n", "port: !!int abc\n"),
        "E125 web.yaml: a value is not what its tag says: invalid literal for int() with base 10: 'abc'",
    ),
    "negative weight": (
        POLICY.replace("us-east: 2", "us-east: -2"),
        'E125 web.yaml:7: field "spec.weights[...]": expected int >= 0',
    ),
    "all weights zero": (
        POLICY.replace("us-east: 2", "us-east: 0"),
        'E125 web.yaml:7: field "spec.weights": all are 0: give at least one region a weight above 0',
    ),
    "threshold out of range": (
        POLICY + "  threshold: 101\n",
        'E125 web.yaml:9: field "spec.threshold": expected int <= 100',
    ),
    "region drained twice": (
        POLICY + "  drain: [us-west, us-west]\n",
        'E125 web.yaml:9: field "spec.drain": "us-west" stands there twice',
    ),
    "probe path": (
        POLICY + "  probe: {path: healthz}\n",
        'E125 web.yaml:9: field "spec.probe.path": \'healthz\' must begin with "/" and hold printable ASCII without spaces',
    ),
    "misspelt policy field": (
        POLICY + "  tresh: 50\n",
        'E111 web.yaml:9: unknown field "spec.tresh", did you mean "spec.threshold"?',
    ),
    "TTL 0": (
        NAME + "  ttl: 0\n",
        'E125 web.yaml:9: field "spec.ttl": expected int >= 1',
    ),
    "TTL above a day": (
        NAME + "  ttl: 86401\n",
        'E125 web.yaml:9: field "spec.ttl": expected int <= 86400',
    ),
    "host that is none": (
        NAME.replace("shop.example.test", "Shop"),
        'E125 web.yaml:7: field "spec.host": "Shop" is not a DNS name in lower case such as shop.example.com',
    ),
    "weighted without weights": (
        NAME + "  policy: weighted\n",
        'E125 web.yaml:6: field "spec.weights": policy weighted needs a weight for at least one region',
    ),
    "weights without weighted": (
        NAME + "  weights: {us-east: 1}\n",
        'E125 web.yaml:9: field "spec.weights": only used with policy weighted; remove it or set spec.policy to weighted',
    ),
    "second document bad": (
        SERVICE + "---\n" + EXPORT.replace("namespace", "namespaze"),
        'E111 web.yaml:16: unknown field "metadata.namespaze", did you mean "metadata.namespace"?',
    ),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_is_one_line_with_file_line_and_field(case: str) -> None:
    text, message = MISTAKES[case]
    with pytest.raises(InputError) as caught:
        read_manifest(text, "web.yaml")
    assert str(caught.value) == message


def test_what_kubectl_prints_is_taken_timestamps_included() -> None:
    text = SERVICE.replace(
        "  name: web", "  creationTimestamp: 2026-01-01T00:00:00Z\n  managedFields: [{x: 1}]\n  name: web"
    )
    assert len(read_manifest(text + "---\n---\n" + EXPORT, "web.yaml")) == 2


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "service.yaml").write_text(SERVICE + "---\n" + EXPORT)
    (tmp_path / "slice.yaml").write_text(SLICE)
    return tmp_path


def test_nothing_is_known_before_the_first_scan(folder: Path) -> None:
    assert Manifests(folder, "az").certainty == "unknown"


def test_a_scan_finds_services_slices_and_exports(folder: Path) -> None:
    manifests = Manifests(folder, "az")
    assert manifests.scan() == {WEB}
    facts = manifests.service(WEB)
    assert facts.exported
    assert facts.kind == "ClusterSetIP"
    assert {(part.az, e.address, e.state) for part in facts.slices for e in part.endpoints} == {
        ("az", "10.2.1.11", "ready"),
        ("z2", "10.2.1.12", "unready"),
        ("az", "10.2.1.13", "draining"),
    }
    assert manifests.certainty == "fresh"
    assert manifests.scan() == set()


def test_a_bad_file_keeps_its_last_good_objects_and_heals(folder: Path) -> None:
    manifests = Manifests(folder, "az")
    manifests.scan()
    good = manifests.service(WEB)
    (folder / "slice.yaml").write_text(SLICE.replace("IPv4", "IPv5"))
    assert manifests.scan() == set()
    assert manifests.service(WEB) == good
    assert manifests.problems == (
        f"{folder}/slice.yaml:8: field \"addressType\": invalid enum value 'IPv5'; the last good state stays in force",
    )
    (folder / "slice.yaml").write_text(SLICE.replace("10.2.1.11", "10.2.1.14"))
    assert manifests.scan() == {WEB}
    assert len(manifests.problems) == 0


def test_two_documents_of_one_name_are_refused_and_the_first_stays(folder: Path) -> None:
    manifests = Manifests(folder, "az")
    manifests.scan()
    (folder / "zz.yaml").write_text(SERVICE.replace("port: 80\n", "port: 81\n"))
    manifests.scan()
    assert manifests.service(WEB).ports[0].port == 80
    assert manifests.problems == (
        f'{folder}/zz.yaml:1: field "metadata.name": Service shop/web already stands at {folder}/service.yaml:1; '
        "the last good state stays in force",
    )


def test_the_second_of_two_twins_in_one_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "twins.yaml").write_text(SERVICE + "---\n" + SERVICE)
    manifests = Manifests(tmp_path, "az")
    manifests.scan()
    assert manifests.problems == (
        f'{tmp_path}/twins.yaml:12: field "metadata.name": Service shop/web already stands at {tmp_path}/twins.yaml:1; '
        "the last good state stays in force",
    )


def test_a_removed_file_takes_its_objects_along(folder: Path) -> None:
    manifests = Manifests(folder, "az")
    manifests.scan()
    (folder / "service.yaml").unlink()
    assert manifests.scan() == {WEB}
    assert manifests.service(WEB).kind is None
    assert not manifests.service(WEB).exported


def test_an_unreadable_folder_is_stale_not_empty(folder: Path) -> None:
    manifests = Manifests(folder, "az")
    manifests.scan()
    folder.rename(folder.with_name("gone"))
    assert manifests.scan() == set()
    assert manifests.certainty == "stale"
    assert manifests.service(WEB).exported


def test_slices_of_imports_are_not_ours() -> None:
    from federation.wire.k8s.translate import slice_owner

    mirrored = SLICE.replace("kubernetes.io/service-name", "multicluster.kubernetes.io/service-name")
    [found] = read_manifest(mirrored, "x.yaml")
    assert slice_owner(found.value) is None  # type: ignore[arg-type]


def test_a_folder_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        Manifests(tmp_path / "no", "az")
    assert str(caught.value) == f'E125 --manifests "{tmp_path}/no": is not a folder; make it or name another'
