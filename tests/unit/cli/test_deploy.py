"""`isthmus deploy secret`: a state folder goes into Secrets and comes out of the pod's init containers whole."""

import base64
import io
import stat
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from federation.cli.deploy import SECRET_MAX, manifests, packed
from federation.cli.main import cli
from federation.config import Folder
from federation.model.errors import InputError
from tests.worlds.deployed import named


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A founded federation of one member."""
    path = tmp_path / "member"
    place = ["--name", "us-east", "--region", "us-east", "--az", "a", "--clusterset", "10.100.0.0/16"]
    made = CliRunner().invoke(
        cli,
        [
            "init",
            "--state",
            str(path),
            "--domain",
            "acme.mesh",
            *place,
            "--reachable",
            "10.1.0.0/16",
            "--sync",
            "192.0.2.1:7443",
        ],
    )
    assert made.exit_code == 0, made.output
    return path


def secrets(path: Path) -> dict[str, dict[str, Any]]:
    told = CliRunner().invoke(cli, ["deploy", "secret", "--state", str(path)])
    assert told.exit_code == 0, told.output
    return {one["metadata"]["name"]: one for one in yaml.safe_load_all(told.output) if one and one["kind"] == "Secret"}


def files(secret: dict[str, Any]) -> dict[str, int]:
    ((_, value),) = secret["data"].items()
    with tarfile.open(fileobj=io.BytesIO(base64.b64decode(value))) as tar:
        return {entry.name: entry.mode for entry in tar}


def test_the_anchors_key_is_in_the_secret_of_the_signer_alone(state: Path) -> None:
    found = secrets(state)
    assert set(found) == {"isthmus-state", "isthmus-anchor"}
    assert set(files(found["isthmus-anchor"])) == {"member.json", "anchor.pem", "ca", "ca/anchor.key"}
    assert set(files(found["isthmus-state"])) == {
        "member.json", "anchor.pem", "ledger", "record.key", "federation.key", "agents",
    }  # fmt: skip
    assert all(mode in (0o600, 0o700) for one in found.values() for mode in files(one).values())


def test_what_the_init_containers_unpack_is_the_folder(state: Path, tmp_path: Path) -> None:
    spec = named("Deployment", "isthmus-controller")["spec"]["template"]["spec"]
    secret_of = {"state": "isthmus-state", "anchor": "isthmus-anchor"}
    found = secrets(state)
    for one in spec["initContainers"]:
        mounted = tmp_path / one["name"]
        mounted.mkdir()
        for key, value in found[secret_of[one["name"]]]["data"].items():
            (mounted / key).write_bytes(base64.b64decode(value))
        for folder in ("state", "signer"):
            (tmp_path / "pod" / folder).mkdir(parents=True, exist_ok=True)
        script = one["args"][0].replace("/secret/", f"{mounted}/")
        script = script.replace("/state/member", f"{tmp_path}/pod/state/member").replace(
            "/signer/member", f"{tmp_path}/pod/signer/member"
        )
        for _ in ("first", "after a restart"):
            subprocess.run([*one["command"], script], check=True)
    controller, signer = Folder(tmp_path / "pod/state/member"), Folder(tmp_path / "pod/signer/member")
    assert controller.own() == signer.own() == Folder(state).own()
    assert controller.ledger_bytes() == Folder(state).ledger_bytes()
    assert signer.private_text(signer.anchor_key) == Folder(state).private_text(Folder(state).anchor_key)
    assert not controller.anchor_key.exists() and not signer.record_key.exists()
    assert controller.signer.is_symlink() and controller.signer.readlink() == signer.signer
    assert stat.S_IMODE(signer.path.stat().st_mode) == 0o750


def test_programs_know_the_controller_by_public_words_in_both_namespaces(state: Path) -> None:
    told = CliRunner().invoke(cli, ["deploy", "secret", "--state", str(state), "--agents-namespace", "agents"])
    found = [one for one in yaml.safe_load_all(told.output) if one and one["kind"] == "ConfigMap"]
    assert [(one["metadata"]["name"], one["metadata"]["namespace"]) for one in found] == [
        ("isthmus-enroll", "isthmus-system"),
        ("isthmus-enroll", "agents"),
    ]
    anchors = Folder(state).anchor.read_text()
    assert all(one["data"] == {"member": "us-east.acme.mesh", "anchors.pem": anchors} for one in found)


def test_the_same_folder_gives_the_same_secret(state: Path) -> None:
    assert manifests(state, "isthmus-system") == manifests(state, "isthmus-system")


def test_sockets_and_links_stay_out(tmp_path: Path) -> None:
    (tmp_path / "agents").mkdir()
    (tmp_path / "agents" / "link").symlink_to("/etc/passwd")
    with tarfile.open(fileobj=io.BytesIO(packed(tmp_path, ("agents",)))) as tar:
        assert tar.getnames() == ["agents"]


def test_bad_input_is_one_line(state: Path, tmp_path: Path) -> None:
    missing = tmp_path / "none"
    rows = [
        (
            missing,
            f"E125 {missing}/member.json does not exist: make it with `isthmus init` or `isthmus member request`",
        ),
    ]
    for path, text in rows:
        with pytest.raises(InputError) as caught:
            manifests(path, "isthmus-system")
        assert str(caught.value) == text
    (state / "foreign").mkdir(exist_ok=True)
    (state / "foreign" / "large").write_bytes(b"x" * SECRET_MAX)
    with pytest.raises(InputError, match=r"^E118 Secret isthmus-state: \d+ bytes, a Secret holds at most 1048576$"):
        manifests(state, "isthmus-system")
    with pytest.raises(InputError) as caught:
        CliRunner().invoke(
            cli,
            ["deploy", "secret", "--state", str(state), "--namespace", "A"],
            catch_exceptions=False,
            standalone_mode=False,
        )
    assert str(caught.value) == 'E114 --namespace "A": must be a DNS label (1 to 63 of a-z, 0-9 and inner "-")'
