from pathlib import Path

import yaml

from federation.lab import manifests
from federation.lab.cluster import Folder
from federation.lab.manifests import Caller, Listed, Return
from federation.lab.topology import LAB
from federation.wire.k8s.strict import read_manifest

PODS = LAB.member("eu-central").endpoints


def kinds(folder: Path) -> list[str]:
    return sorted(
        type(found.value).__name__
        for path in folder.glob("*.yaml")
        for found in read_manifest(path.read_text(), path.name)
    )


def test_the_strict_reader_takes_every_file(tmp_path: Path) -> None:
    manifests.set_endpoints(
        Folder(tmp_path), [Listed(PODS[0]), Listed(PODS[1], ready=False), Listed(PODS[2], terminating=True)]
    )
    assert kinds(tmp_path) == ["AccessPolicy", "EndpointSlice", "Service", "ServiceExport"]
    manifests.set_endpoints(Folder(tmp_path), [])
    assert kinds(tmp_path) == ["AccessPolicy", "EndpointSlice", "Service", "ServiceExport"]


def test_conditions_follow_kubernetes() -> None:
    text = manifests.slice_text([Listed(PODS[0], terminating=True)])
    assert "ready: false\n      serving: true\n      terminating: true\n    zone: eu-central-1a" in text


def test_files_are_whole_and_no_part_stays(tmp_path: Path) -> None:
    manifests.set_endpoints(Folder(tmp_path), [Listed(PODS[0])])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["web-access.yaml", "web-endpoints.yaml", "web.yaml"]
    manifests.withdraw(Folder(tmp_path))
    manifests.withdraw(Folder(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_each_service_has_files_of_its_own(tmp_path: Path) -> None:
    pay = LAB.member("us-east").pods("pay")
    manifests.set_endpoints(Folder(tmp_path), [Listed(PODS[0])])
    manifests.set_endpoints(Folder(tmp_path), [Listed(pod) for pod in pay], "pay")
    assert kinds(tmp_path) == sorted(["AccessPolicy", "EndpointSlice", "Service", "ServiceExport"] * 2)
    assert "name: pay-lab" in (tmp_path / "pay-endpoints.yaml").read_text()
    manifests.withdraw(Folder(tmp_path))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pay-access.yaml", "pay-endpoints.yaml", "pay.yaml"]


def test_policy_and_public_name_are_read_as_they_are_meant(tmp_path: Path) -> None:
    Folder(tmp_path).only([manifests.policy(Return(10, 1)), manifests.public_name(Return(100, 2))])
    assert kinds(tmp_path) == ["GlobalName", "TrafficPolicy"]
    Folder(tmp_path).only([])
    assert list(tmp_path.iterdir()) == []


def test_access_is_read_as_it_is_meant(tmp_path: Path) -> None:
    Folder(tmp_path).only([manifests.access((Caller("us-west", "shop", "client"), Caller("us-east")))])
    (text,) = [path.read_text() for path in tmp_path.iterdir()]
    policy = yaml.safe_load(text)
    callers = [{"member": "us-west", "namespace": "shop", "serviceAccount": "client"}, {"member": "us-east"}]
    assert (policy["kind"], policy["spec"]) == ("AccessPolicy", {"service": "web", "from": callers})
    assert kinds(tmp_path) == ["AccessPolicy"]


def test_only_what_is_named_stays(tmp_path: Path) -> None:
    manifests.set_endpoints(Folder(tmp_path), [Listed(PODS[0])], "pay")
    Folder(tmp_path).only([manifests.exported(), manifests.endpoints([Listed(PODS[1])])])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["web-endpoints.yaml", "web.yaml"]
