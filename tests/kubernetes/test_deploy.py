"""deploy/ on an API server: taken whole, pods allowed by their namespaces, and rights as RBAC itself decides."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from federation.adapters.kube.kinds import FOLLOWED
from federation.cli.deploy import manifests
from federation.config import Folder, Own
from federation.files import write_private
from federation.model.names import MemberName
from federation.wire.k8s.crd import KINDS
from tests.netns.spaces import await_true
from tests.worlds.api_server import ApiServer
from tests.worlds.deployed import DEPLOY, objects, pods

WHO = "system:serviceaccount:isthmus-system:isthmus-controller"


@pytest.fixture(scope="module")
def installed(server: ApiServer) -> Iterator[ApiServer]:
    """With the namespaces and the rights in place."""
    for name in ("namespaces.yaml", "rbac.yaml"):
        done = server.kubectl("apply", "--server-side", "-f", str(DEPLOY / name))
        assert done.returncode == 0, done.stderr
    yield server


def test_everything_is_taken_by_server_side_dry_run(installed: ApiServer) -> None:
    done = installed.kubectl("apply", "--dry-run=server", "-k", str(DEPLOY))
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == len(objects()) + len(KINDS) and all(line.endswith("(server dry run)") for line in lines)
    again = installed.kubectl("apply", "--server-side", "--dry-run=server", "-k", str(DEPLOY))
    assert (again.returncode, len(again.stdout.splitlines())) == (0, len(lines)), again.stderr


@pytest.mark.parametrize(("namespace", "name", "spec"), list(pods()), ids=[name for _, name, _ in pods()])
def test_pod_security_lets_every_pod_in(
    installed: ApiServer, namespace: str, name: str, spec: dict[str, object]
) -> None:
    installed.real("Pod Security admission")
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": {**spec, "priorityClassName": ""}}
    status, answer = installed.call("POST", f"/api/v1/namespaces/{namespace}/pods?dryRun=All", pod)
    assert status == 201, answer["message"]


def test_pod_security_is_awake(installed: ApiServer) -> None:
    """A node agent is not let into the namespace of the controller."""
    installed.real("Pod Security admission")
    spec = {**next(spec for _, name, spec in pods() if name == "isthmus-gateway"), "priorityClassName": ""}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "agent"}, "spec": spec}
    status, answer = installed.call("POST", "/api/v1/namespaces/isthmus-system/pods?dryRun=All", pod)
    assert status == 403 and "violates PodSecurity" in answer["message"]


ALLOWED = [
    ("list", "services", "shop"),
    ("create", "endpointslices.discovery.k8s.io", "shop"),
    ("patch", "serviceexports.multicluster.x-k8s.io/status", "shop"),
    ("create", "tokenreviews.authentication.k8s.io", ""),
    ("patch", "leases.coordination.k8s.io/isthmus-controller", "isthmus-system"),
]
DENIED = [
    ("list", "secrets", "isthmus-system"),
    ("get", "secrets", "shop"),
    ("create", "pods", "isthmus-system"),
    ("create", "pods/exec", "shop"),
    ("get", "nodes/proxy", ""),
    ("patch", "serviceexports.multicluster.x-k8s.io", "shop"),
    ("patch", "leases.coordination.k8s.io/another", "isthmus-system"),
    ("create", "leases.coordination.k8s.io", "kube-system"),
    ("impersonate", "users", ""),
    ("escalate", "clusterroles.rbac.authorization.k8s.io", ""),
    ("deletecollection", "services", "shop"),
]


@pytest.mark.parametrize(
    ("verb", "what", "namespace", "said"),
    [(*row, "yes") for row in ALLOWED] + [(*row, "no") for row in DENIED],
    ids=[f"{verb} {what} {space}" for verb, what, space in ALLOWED + DENIED],
)
def test_what_the_controller_may_do(installed: ApiServer, verb: str, what: str, namespace: str, said: str) -> None:
    kind, _, rest = what.partition("/")
    sub = rest if rest in ("status", "exec", "proxy") else ""
    plural, _, group = kind.partition(".")
    asked = {"verb": verb, "group": group, "resource": plural, "subresource": sub, "namespace": namespace}
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {"user": WHO, "resourceAttributes": asked | {"name": "" if sub else rest}},
    }
    status, answer = installed.call("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", review)
    assert (status, answer["status"]["allowed"]) == (201, said == "yes")


def _await_followed(server: ApiServer, path: str, token: str) -> None:
    """Lists and watches are answered; a server that has just learnt of a kind says 429 for a moment."""
    watch = "watch=1&timeoutSeconds=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"
    await_true(path, lambda: server.call("GET", path, token=token)[0] == 200)
    await_true(f"watch of {path}", lambda: server.watch(f"{path}?{watch}", token) == 200)


def test_the_rights_are_enough_for_what_the_client_asks(installed: ApiServer) -> None:
    """By a token of the service account itself: every kind followed, what is ours applied, its status, deleted."""
    account = "/api/v1/namespaces/isthmus-system/serviceaccounts/isthmus-controller/token"
    ask = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"audiences": []}}
    status, answer = installed.call("POST", account, ask)
    assert status == 201, answer
    token = answer["status"]["token"]
    for kind in FOLLOWED.values():
        _await_followed(installed, kind.path, token)
    kind = FOLLOWED["MemberCluster"]
    path = kind.path_of(("MemberCluster", "", "us-east"))
    body = {"apiVersion": kind.api_version, "kind": kind.name, "metadata": {"name": "us-east"}}
    apply = "application/apply-patch+yaml"
    assert installed.call("PATCH", path + "?fieldManager=isthmus", body, apply, token)[0] == 201
    seen = body | {"status": {"number": 1}}
    assert installed.call("PATCH", path + "/status?fieldManager=isthmus", seen, apply, token)[0] == 200
    assert installed.call("DELETE", path, token=token)[0] == 200


def test_the_secrets_are_taken_and_hold_the_folder(installed: ApiServer, tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    own = Own(
        name=MemberName("us-east"),
        domain="acme.mesh",
        federation="sha256:x",
        region="r",
        az="a",
        clusterset="10.9.0.0/16",
    )
    folder.create(own)
    write_private(folder.anchor_key, b"key")
    done = installed.kubectl("apply", "--server-side", "-f", "-", text="".join(manifests(tmp_path, "isthmus-system")))
    assert done.returncode == 0, done.stderr
    _, held = installed.call("GET", "/api/v1/namespaces/isthmus-system/secrets/isthmus-anchor")
    assert b"anchor.key" in base64.b64decode(held["data"]["anchor.tar"])
    assert "managedFields" in json.dumps(held) and "last-applied" not in json.dumps(held), (
        "no second copy in an annotation"
    )
