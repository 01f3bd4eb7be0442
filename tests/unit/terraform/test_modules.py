"""Modules and examples: formatted, valid, planned, and what can be applied without Docker is applied."""

import json
import os
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from federation.config import Folder
from federation.registrar.ledger import ledger_in
from tests.worlds.kubectl import KUBECTL
from tests.worlds.terraform import ROOT, Terraform, needs_terraform

ISTHMUS = str(Path(sys.executable).with_name("isthmus"))
BUILT_IN = [
    "examples/kind-three-regions",
    "examples/lab",
    *(f"modules/{name}" for name in ("disjoint-cidrs", "federation", "kind-cluster", "lab-cluster")),
]


def test_every_folder_is_known_here() -> None:
    found = {str(path.parent.relative_to(ROOT)) for path in ROOT.rglob("main.tf")}
    assert found == {*BUILT_IN, "modules/kind-cluster-provider"}


@needs_terraform
def test_everything_is_formatted() -> None:
    done = subprocess.run(
        ["terraform", "fmt", "-check", "-recursive", str(ROOT)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


@needs_terraform
@pytest.mark.parametrize("module", BUILT_IN)
def test_a_module_is_valid_and_passes_its_own_tests(module: str, tmp_path: Path) -> None:
    terraform = Terraform(module, tmp_path)
    assert terraform.run("validate").stdout == "Success! The configuration is valid.\n\n"
    if list((ROOT / module).glob("*.tftest.hcl")):
        tested = terraform.run("test")
        assert tested.returncode == 0, tested.stdout + tested.stderr
        assert re.search(r"Success! [1-9]\d* passed, 0 failed", tested.stdout)


@needs_terraform
def test_three_regions_in_kind_can_be_planned(tmp_path: Path) -> None:
    planned = Terraform("examples/kind-three-regions", tmp_path).run("plan", "-input=false", f"-state={tmp_path}/state")
    assert planned.returncode == 0, planned.stderr
    assert "Plan: 11 to add, 0 to change, 0 to destroy." in planned.stdout


def members(count: int) -> str:
    return json.dumps(
        [
            {
                "name": f"m{n}",
                "region": f"r{n}",
                "zone": "a",
                "pod_cidr": f"10.{n}.0.0/16",
                "service_cidr": f"10.96.{n}.0/24",
                "clusterset_cidr": f"10.100.{n}.0/24",
                "sync": f"192.0.2.{n}:7443",
                "deploy": False,
            }
            for n in range(1, count + 1)
        ]
    )


@needs_terraform
def test_a_federation_is_founded_grows_and_is_removed(tmp_path: Path) -> None:
    states = tmp_path / "states"
    terraform = Terraform("modules/federation", tmp_path)
    fixed = (f"-var=folder={states}", "-var=domain=acme.mesh", f"-var=isthmus={ISTHMUS}")
    keys = []
    for count in (2, 3):
        done = terraform.change("apply", *fixed, f"-var=members={members(count)}")
        assert done.returncode == 0, done.stdout + done.stderr
        keys.append((states / "m2" / "record.key").read_bytes())
    assert keys[0] == keys[1], "a further member leaves the others alone"
    folders = [Folder(states / f"m{n}") for n in (1, 2, 3)]
    ledgers = {folder.ledger_bytes() for folder in folders}
    assert len(ledgers) == 1, "every member has the last ledger"
    assert set(ledger_in(ledgers.pop(), folders[0].own().federation).members) == {"m1", "m2", "m3"}
    assert stat.S_IMODE(states.stat().st_mode) == 0o700
    done = terraform.change("destroy", *fixed, f"-var=members={members(3)}")
    assert done.returncode == 0, done.stdout + done.stderr
    assert list(states.iterdir()) == []


@needs_terraform
def test_ranges_that_overlap_are_named(tmp_path: Path) -> None:
    terraform = Terraform("modules/disjoint-cidrs", tmp_path)
    done = terraform.change(
        "apply", '-var=cidrs={"pods":"10.0.0.0/8","services":"10.96.0.0/16","other":"192.168.0.0/16"}'
    )
    assert done.returncode == 1
    assert "these ranges overlap: pods (10.0.0.0/8) and services (10.96.0.0/16). Give each its own." in " ".join(
        done.stderr.split()
    )


def kind() -> str | None:
    return os.environ.get("KIND") or shutil.which("kind")


@needs_terraform
@pytest.mark.skipif(
    kind() is None,
    reason="NOT TESTED: kind is not on PATH (go install sigs.k8s.io/kind): its configuration was not read by it",
)
def test_kind_reads_the_configuration(tmp_path: Path) -> None:
    """kind decodes it strictly before it looks for Docker, which it does not find at an address where there is none."""
    terraform = Terraform("modules/kind-cluster", tmp_path)
    given = {
        "name": "us-east",
        "region": "us-east",
        "pod_cidr": "10.1.0.0/16",
        "service_cidr": "10.96.1.0/24",
        "kubeconfig": "/none",
    }
    planned = terraform.run(
        "plan",
        "-input=false",
        f"-out={tmp_path}/plan",
        '-var=zones=["a","b"]',
        *(f"-var={k}={v}" for k, v in given.items()),
    )
    assert planned.returncode == 0, planned.stderr
    shown = json.loads(terraform.run("show", "-json", f"{tmp_path}/plan").stdout)
    config = shown["planned_values"]["outputs"]["config"]["value"]
    said = {}
    for name, text in (("ours", config), ("wrong", config + "nonsense: 1\n")):
        command = [str(kind()), "create", "cluster", "--name", "isthmus-test", "--config", "-"]
        done = subprocess.run(
            command,
            input=text,
            capture_output=True,
            text=True,
            check=False,
            env=os.environ | {"DOCKER_HOST": f"unix://{tmp_path}/none"},
        )
        said[name] = (done.returncode, "unable to decode config" in done.stderr)
    assert said == {"ours": (1, False), "wrong": (1, True)}


def test_both_kinds_of_clusters_have_the_same_variables() -> None:
    one, other = (ROOT / "modules" / name / "variables.tf" for name in ("kind-cluster", "kind-cluster-provider"))
    assert one.read_text() == other.read_text()


def test_the_overlay_for_kind_has_the_node_port_that_peers_are_told() -> None:
    overlay = ROOT / "modules" / "federation" / "kind"
    done = subprocess.run([KUBECTL, "kustomize", str(overlay)], capture_output=True, text=True, check=True)
    built = [one for one in yaml.safe_load_all(done.stdout) if one]
    (service,) = (one for one in built if (one["kind"], one["metadata"]["name"]) == ("Service", "isthmus-controller"))
    (port,) = service["spec"]["ports"]
    assert (service["spec"]["type"], str(port["nodePort"])) == ("NodePort", node_port())
    names = {one["metadata"]["name"] for one in built if one["kind"] in ("Deployment", "DaemonSet")}
    assert names == {"isthmus-controller", "isthmus-dns", "isthmus-gateway", "isthmus-node", "isthmus-xds"}


def node_port() -> str:
    (found,) = re.findall(r"NODE_PORT\s*=\s*(\d+)", (ROOT / "modules" / "federation" / "main.tf").read_text())
    return str(found)
