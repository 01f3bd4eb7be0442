"""API servers of the lab: command lines, and what a user is told who cannot have them."""

import base64
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from federation.cli.lab import lab as command
from federation.lab import servers
from federation.lab.apiserver import written
from federation.lab.errors import LabError
from federation.lab.state import Lab
from federation.lab.topology import HOME, LAB

EAST = LAB.member(HOME)


def options(argv: list[str]) -> dict[str, str]:
    return dict(word.removeprefix("--").split("=", 1) for word in argv if word.startswith("--"))


def test_cluster_ips_are_of_the_members_clusterset_range() -> None:
    double = servers.double(EAST, Path("/lab/us-east"))
    assert double[double.index("--service-range") + 1] == "10.101.0.0/16"
    assert double[double.index("--listen") + 1] == "10.1.4.10:6443"
    real = options(servers.real(Path("/assets/kube-apiserver"), EAST, Path("/lab/us-east")))
    assert real["service-cluster-ip-range"] == "10.101.0.0/16"
    assert (real["bind-address"], real["secure-port"]) == ("10.1.4.10", "6443")
    store = options(servers.etcd(Path("/assets/etcd"), Path("/lab/us-east")))
    assert real["etcd-servers"] == store["listen-client-urls"] == "http://127.0.0.1:2379"


def test_a_kubeconfig_has_one_context_with_token_and_certificate() -> None:
    said = json.loads(written("https://10.1.4.10:6443", "secret", b"PEM"))
    assert said["users"][0]["user"] == {"token": "secret"}
    cluster = said["clusters"][0]["cluster"]
    assert base64.b64decode(cluster["certificate-authority-data"]) == b"PEM"
    assert cluster["server"] == "https://10.1.4.10:6443"


def test_every_definition_of_ours_is_applied() -> None:
    assert sorted(one["spec"]["names"]["kind"] for one in servers.definitions()) == [
        "AccessPolicy",
        "ClusterProperty",
        "Drain",
        "EgressPolicy",
        "GlobalName",
        "MemberCluster",
        "ServiceExport",
        "ServiceImport",
        "TrafficPolicy",
    ]


UNSET = (
    "E183 KUBEBUILDER_ASSETS is not set: name the folder that holds kube-apiserver and etcd, "
    "or leave out `real` for the double"
)
EMPTY = 'E183 KUBEBUILDER_ASSETS "{folder}" holds no kube-apiserver: name the folder that does'
NO_ETCD = 'E183 program "etcd" is missing: install the Debian package etcd-server'


@pytest.mark.parametrize(
    ("named", "there", "line"), [("", (), UNSET), ("{folder}", (), EMPTY), ("{folder}", ("kube-apiserver",), NO_ETCD)]
)
def test_real_api_servers_that_cannot_be_had_are_one_line(
    named: str, there: tuple[str, ...], line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    monkeypatch.setenv(servers.ASSETS, named.format(folder=tmp_path))
    for name in there:
        (tmp_path / name).touch()
    with pytest.raises(LabError) as caught:
        servers.assets()
    assert str(caught.value) == line.format(folder=tmp_path)


def test_etcd_beside_the_api_server_goes_before_that_of_the_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(servers.ASSETS, str(tmp_path))
    for name in ("kube-apiserver", "etcd"):
        (tmp_path / name).touch()
    assert servers.assets() == (tmp_path / "kube-apiserver", tmp_path / "etcd")


MANIFESTS = (
    "E186 the members of the lab in {folder} have manifests and no API server: "
    "raise one with `isthmus lab up --kubernetes`"
)
STRANGER = 'E186 the lab has no member "us-north": it has us-east'
NO_KUBECTL = 'E183 program "kubectl" is missing: install it as https://kubernetes.io/docs/tasks/tools says'


@pytest.mark.parametrize(
    ("sort", "member", "line"),
    [("", "us-east", MANIFESTS), ("double", "us-north", STRANGER), ("double", "us-east", NO_KUBECTL)],
)
def test_kubectl_that_cannot_run_is_one_line(
    sort: str, member: str, line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    (tmp_path / "us-east").mkdir()
    (tmp_path / "us-east" / "kubeconfig").touch()
    with pytest.raises(LabError) as caught:
        servers.kubectl(Lab("a1b2", str(tmp_path), kubernetes=sort), member, ("get", "svcim"))
    assert str(caught.value) == line.format(folder=tmp_path)


def test_another_sort_of_api_server_is_refused_by_name() -> None:
    done = CliRunner().invoke(command, ["run", "--kubernetes", "journey"])
    assert done.exit_code == 2
    assert "Error: Invalid value for '--kubernetes': 'journey' is not one of 'double', 'real'." in done.stderr
