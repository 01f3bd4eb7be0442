"""A lab whose members have Kubernetes APIs: what a person with kubectl sees and does there, and the journey of a request."""

import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from federation.lab import netns
from federation.lab.dns_client import Question, Reply, ask
from federation.lab.programs import HOST
from federation.lab.state import load
from federation.lab.topology import LAB
from tests.netns.spaces import await_true
from tests.netns.test_journey import STEPS, left_of
from tests.netns.test_live_lab import ISTHMUS, MEMBERS, isthmus
from tests.worlds.kubectl import KUBECTL

pytestmark = [
    pytest.mark.netns,
    pytest.mark.skipif(shutil.which(KUBECTL) is None, reason="NOT TESTED: kubectl is not on PATH"),
]

STATEFUL = """\
apiVersion: v1
kind: Service
metadata: {name: db, namespace: shop}
spec: {clusterIP: None, selector: {app: db}, ports: [{name: sql, port: 5432}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: db-1, namespace: shop, labels: {kubernetes.io/service-name: db}}
addressType: IPv4
ports: [{name: sql, port: 5432, protocol: TCP}]
endpoints:
  - {addresses: [10.3.1.51], hostname: db-0, conditions: {ready: true}}
  - {addresses: [10.3.1.52], hostname: db-1, conditions: {ready: true}}
---
apiVersion: multicluster.x-k8s.io/v1beta1
kind: ServiceExport
metadata: {name: db, namespace: shop}
"""
EXPORT = STATEFUL.rpartition("---\n")[2].replace("name: db", "name: web")
DB = HOST.replace("web.", "db.", 1)


@pytest.fixture(scope="module")
def lab() -> Iterator[Path]:
    """Raised once; nothing of it may be left at the end."""
    with tempfile.TemporaryDirectory(prefix="ist") as directory:
        path = Path(directory) / "lab"
        try:
            up = isthmus("lab", "up", "--dir", str(path), "--kubernetes")
            assert up.returncode == 0, up.stderr
            yield path
        finally:
            isthmus("lab", "down", "--dir", str(path))
        assert (left_of(path), path.exists()) == ([], False)


def kubectl(lab: Path, member: str, *words: str, given: str = "") -> str:
    command = [ISTHMUS, "lab", "kubectl", "--dir", str(lab), member, *words]
    done = subprocess.run(command, input=given, timeout=60, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def rows(lab: Path, member: str, *words: str) -> list[list[str]]:
    """What `kubectl get` prints, by columns, without the age."""
    return [line.split()[:-1] for line in kubectl(lab, member, "get", "--no-headers", *words).splitlines()]


def resolved(lab: Path, member: str, host: str = HOST) -> Reply:
    return ask(netns.machine(load(lab).lab, member), Question(LAB.member(member).gateway, host))


def test_kubectl_shows_what_stands(lab: Path) -> None:
    for member in MEMBERS:
        await_true(f"{member} resolves", lambda m=member: resolved(lab, m).addresses)  # type: ignore[misc]
        address = resolved(lab, member).addresses[0]
        assert rows(lab, member, "svcim", "-n", "shop") == [["web", "ClusterSetIP", f'["{address}"]']]
    [derived] = rows(lab, "us-east", "svc", "-n", "shop", "-l", "app.kubernetes.io/managed-by=isthmus")
    assert derived[1:3] == ["ClusterIP", resolved(lab, "us-east").addresses[0]]
    assert sorted(row[0] for row in rows(lab, "us-west", "mc")) == sorted(MEMBERS)
    assert rows(lab, "eu-central", "svcex", "-n", "shop") == [["web"]]
    assert rows(lab, "us-east", "svcex", "-n", "shop") == []


def test_an_export_that_is_deleted_ends_the_import_everywhere(lab: Path) -> None:
    kubectl(lab, "eu-central", "delete", "svcex", "web", "-n", "shop")
    try:
        for member in MEMBERS:
            await_true(f"{member} imports nothing", lambda m=member: not rows(lab, m, "svcim", "-n", "shop"))  # type: ignore[misc]
            await_true("its name is gone", lambda m=member: resolved(lab, m).rcode == "NXDOMAIN")  # type: ignore[misc]
    finally:
        kubectl(lab, "eu-central", "apply", "-f", "-", given=EXPORT)
    await_true("it is imported again", lambda: resolved(lab, "us-east").addresses)


def test_pods_of_a_headless_service_have_names(lab: Path) -> None:
    kubectl(lab, "eu-central", "apply", "-f", "-", given=STATEFUL)
    for member in MEMBERS:
        await_true(f"{member} knows both", lambda m=member: len(resolved(lab, m, DB).addresses) == 2)  # type: ignore[misc]
        assert resolved(lab, member, f"db-1.eu-central.{DB}").addresses == ("10.3.1.52",)
        assert resolved(lab, member, f"db-2.eu-central.{DB}").rcode == "NXDOMAIN"
    assert rows(lab, "us-east", "svcim", "db", "-n", "shop") == [["db", "Headless", "[]"]]


def test_the_journey_of_a_request(lab: Path) -> None:
    done = isthmus("lab", "run", "journey", "--kubernetes", "--dir", str(lab), "--output", "json")
    story = json.loads(done.stdout)
    assert [step["name"] for step in story["steps"]] == STEPS[:-1]
    assert all(step["ok"] for step in story["steps"]), story
    address = resolved(lab, "us-east").addresses
    assert [row[2] for row in rows(lab, "us-east", "svcim", "-n", "shop")] == [f'["{address[0]}"]']


def test_a_lab_of_another_sort_is_refused(lab: Path) -> None:
    done = isthmus("lab", "run", "journey", "--kubernetes", "real", "--dir", str(lab))
    assert done.returncode == 2
    assert done.stderr == (
        f"isthmus: E182 --kubernetes real: the lab in {lab} has API servers of the sort double: leave the option out, or "
        "end that lab first\n"
    )
