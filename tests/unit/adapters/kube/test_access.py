"""How an API server is reached from inside a cluster, and what of it is read anew."""

import ssl
from pathlib import Path

import pytest

from federation.adapters.kube.access import KubeAccess, in_cluster
from federation.model.errors import IsthmusError

AUTHORITIES = Path(ssl.get_default_verify_paths().cafile or "/etc/ssl/certs/ca-certificates.crt")


@pytest.fixture
def account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What a pod has."""
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.96.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    (tmp_path / "token").write_text("one\n")
    (tmp_path / "ca.crt").write_text(AUTHORITIES.read_text())
    return tmp_path


def test_in_a_pod_the_token_is_read_anew(account: Path) -> None:
    access = in_cluster(account)
    assert (access.server, access.headers()["Authorization"]) == ("https://10.96.0.1:443", "Bearer one")
    (account / "token").write_text("two\n")
    assert access.headers()["Authorization"] == "Bearer two"


def test_an_ipv6_address_is_written_in_brackets(account: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "fd00::1")
    assert in_cluster(account).server == "https://[fd00::1]:443"


def test_outside_of_a_pod(account: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST")
    with pytest.raises(IsthmusError) as caught:
        in_cluster(account)
    text = "E125 --in-cluster: KUBERNETES_SERVICE_HOST is not set: this is no pod; use --kubeconfig FILE"
    assert str(caught.value) == text


def test_a_pod_without_a_token(account: Path) -> None:
    (account / "token").unlink()
    with pytest.raises(IsthmusError) as caught:
        in_cluster(account)
    assert str(caught.value) == (
        f"E125 --in-cluster: {account}/token: No such file or directory; "
        "give the pod a service account whose token is mounted"
    )


def test_a_pod_whose_authority_is_none(account: Path) -> None:
    (account / "ca.crt").write_text("no certificate")
    with pytest.raises(IsthmusError) as caught:
        in_cluster(account)
    assert str(caught.value).startswith(f"E125 --in-cluster: {account}/ca.crt is no CA certificate")


def test_a_token_file_that_went_away_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(IsthmusError) as caught:
        KubeAccess("https://x", False, token_file=tmp_path / "token").headers()
    assert str(caught.value) == f"E190 token file {tmp_path}/token: No such file or directory"
