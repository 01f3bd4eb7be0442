"""The controller pod's programs under the users and with the folders that deploy/controller.yaml gives them."""

import base64
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from federation.cli.deploy import manifests
from federation.cli.main import cli
from tests.worlds.deployed import named
from tests.worlds.ports import free_port

ISTHMUS = str(Path(sys.executable).with_name("isthmus"))
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="NOT TESTED: only root can start programs as other users")
SPEC = named("Deployment", "isthmus-controller")["spec"]["template"]["spec"]
GROUP = SPEC["securityContext"]["fsGroup"]


def container(name: str) -> dict[str, Any]:
    (found,) = (one for one in (*SPEC["initContainers"], *SPEC["containers"]) if one["name"] == name)
    return dict(found)


def start(name: str, arguments: list[str], log: Path) -> subprocess.Popen[bytes]:
    """As the container's user, who may read everything: the interpreter may lie in a home that is closed to others.

    It may write, and connect to sockets, only where its own ids let it.
    """
    user = container(name)["securityContext"]["runAsUser"]
    become = ["setpriv", f"--reuid={user}", f"--regid={user}", f"--groups={GROUP}"]
    read = [
        "--inh-caps=-all,+dac_read_search",
        "--ambient-caps=-all,+dac_read_search",
        "--bounding-set=-all,+dac_read_search",
    ]
    with log.open("wb") as file:
        return subprocess.Popen([*become, *read, *arguments], stderr=file, cwd="/")


@pytest.fixture
def pod() -> Iterator[Path]:
    """The pod's volumes as the kubelet makes an emptyDir with an fsGroup, and what the init containers unpack."""
    root = Path(tempfile.mkdtemp(prefix="ist"))
    try:
        root.chmod(0o755)
        member = root / "member"
        place = ["--name", "us-east", "--region", "r", "--az", "a", "--clusterset", "10.100.0.0/16"]
        more = ["--domain", "acme.mesh", "--reachable", "10.1.0.0/16", "--sync", "127.0.0.1:7443"]
        made = CliRunner().invoke(cli, ["init", "--state", str(member), *place, *more])
        assert made.exit_code == 0, made.output
        secrets = [yaml.safe_load(text.removesuffix("---\n")) for text in manifests(member, "isthmus-system")]
        (root / "secret").mkdir()
        for secret in secrets:
            for key, value in secret["data"].items():
                (root / "secret" / key).write_bytes(base64.b64decode(value))
        for volume in ("state", "signer"):
            (root / volume).mkdir()
            os.chown(root / volume, 0, GROUP)
            (root / volume).chmod(0o2777)
        for name in ("state", "anchor"):
            script = container(name)["args"][0]
            for path in ("/secret", "/state/member", "/signer/member"):
                script = script.replace(f" {path}", f" {root}{path}")
            done = start(name, [*container(name)["command"], script], root / f"{name}.log")
            assert done.wait(30) == 0, (root / f"{name}.log").read_text()
        yield root
    finally:
        shutil.rmtree(root)


def test_the_controller_gets_its_certificate_from_a_signer_of_another_user(pod: Path) -> None:
    (pod / "manifests").mkdir()
    (pod / "manifests").chmod(0o755)
    api = pod / "state/member/api.sock"
    signer_group = container("signer")["args"][container("signer")["args"].index("--socket-group") + 1]
    assert int(signer_group) == GROUP
    where = ["--manifests", str(pod / "manifests"), "--listen", f"127.0.0.1:{free_port()}"]
    programs = [
        start(
            "signer",
            [ISTHMUS, "signer", "--state", f"{pod}/signer/member", "--socket-group", signer_group],
            pod / "s.log",
        ),
        start("controller", [ISTHMUS, "controller", "--state", f"{pod}/state/member", *where], pod / "c.log"),
    ]
    try:
        deadline = time.monotonic() + 30
        while not api.exists():
            assert time.monotonic() < deadline, (pod / "c.log").read_text() + (pod / "s.log").read_text()
            assert all(one.poll() is None for one in programs), (pod / "c.log").read_text() + (
                pod / "s.log"
            ).read_text()
            time.sleep(0.1)
        told = subprocess.run(
            [ISTHMUS, "status", "--api", str(api), "--output", "json"], capture_output=True, text=True, check=True
        )
        assert json.loads(told.stdout)["member"] == "us-east"
        key = pod / "signer/member/ca/anchor.key"
        user = container("controller")["securityContext"]["runAsUser"]
        tried = subprocess.run(
            ["cat", str(key)], user=user, group=user, extra_groups=[GROUP], capture_output=True, check=False
        )
        assert tried.returncode == 1 and b"Permission denied" in tried.stderr
    finally:
        for one in programs:
            one.terminate()
        for one in programs:
            one.wait(10)
