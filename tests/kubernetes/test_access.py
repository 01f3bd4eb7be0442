"""Tokens, roles and reviews."""

from typing import Any

import pytest

from tests.kubernetes.objects import config, of, path
from tests.worlds.clusters import ALICE, APPLY, Answer, Bed, Cluster

RBAC = "/apis/rbac.authorization.k8s.io/v1"
REVIEWS = "/apis/authentication.k8s.io/v1/tokenreviews"


@pytest.fixture
def api(bed: Bed) -> Cluster:
    """A member whose users we know."""
    if not bed.one.tokens:
        pytest.skip("the users of existing clusters are not ours")
    return bed.one


def refusal(answer: Answer) -> tuple[int, str, str]:
    return answer.code, answer.value["reason"], answer.value["message"]


def rule(*verbs: str, resources: str = "configmaps", group: str = "", names: tuple[str, ...] = ()) -> dict[str, Any]:
    said: dict[str, Any] = {"apiGroups": [group], "resources": [resources], "verbs": list(verbs)}
    return said | ({"resourceNames": list(names)} if names else {})


def grant(api: Cluster, home: str, *rules: dict[str, Any], subject: dict[str, Any] | None = None) -> None:
    """A role in a namespace, bound to alice unless told otherwise."""
    who = subject or {"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": "alice"}
    of_role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "some"}
    version = "rbac.authorization.k8s.io/v1"
    role = {"apiVersion": version, "kind": "Role", "metadata": {"name": "some"}, "rules": list(rules)}
    binding = {
        "apiVersion": version,
        "kind": "RoleBinding",
        "metadata": {"name": "some"},
        "roleRef": of_role,
        "subjects": [who],
    }
    api.ok("PATCH", f"{RBAC}/namespaces/{home}/roles/some?fieldManager=us&force=true", role, APPLY)
    api.ok("PATCH", f"{RBAC}/namespaces/{home}/rolebindings/some?fieldManager=us&force=true", binding, APPLY)


def eventually(api: Cluster, token: str, at: str, code: int) -> Answer:
    """The answer once the authoriser has seen the roles that were just written; it reads them by a watch."""
    for _ in range(500):
        answer = api.call("GET", at, token=token)
        if answer.code == code:
            return answer
    raise AssertionError(answer)


def test_unknown_and_absent_tokens(api: Cluster) -> None:
    assert refusal(api.call("GET", "/api/v1/nodes", token="nobody")) == (401, "Unauthorized", "Unauthorized")
    text = (
        'nodes is forbidden: User "system:anonymous" cannot list resource "nodes" in API group "" at the cluster scope'
    )
    assert refusal(api.call("GET", "/api/v1/nodes", token="")) == (403, "Forbidden", text)


def test_a_user_without_a_role(api: Cluster) -> None:
    home = api.namespace()
    text = f'configmaps is forbidden: User "alice" cannot list resource "configmaps" in API group "" in the namespace "{home}"'
    assert refusal(api.call("GET", path("ConfigMap", home), token=ALICE)) == (403, "Forbidden", text)
    answer = api.call("DELETE", path("Lease", home, "one"), token=ALICE)
    text = f'leases.coordination.k8s.io "one" is forbidden: User "alice" cannot delete resource "leases" in API group "coordination.k8s.io" in the namespace "{home}"'
    assert refusal(answer) == (403, "Forbidden", text)
    assert answer.value["details"] == {"name": "one", "group": "coordination.k8s.io", "kind": "leases"}
    text = 'forbidden: User "alice" cannot get path "/metrics"'
    assert refusal(api.call("GET", "/metrics", token=ALICE)) == (403, "Forbidden", text)
    assert api.call("GET", "/version", token=ALICE).code == 200
    assert api.call("GET", "/apis", token=ALICE).code == 200


def test_a_role_gives_its_verbs_in_its_namespace(api: Cluster) -> None:
    home, other = api.namespace(), api.namespace()
    grant(api, home, rule("list"), rule("get", names=("one",)))
    eventually(api, ALICE, path("ConfigMap", home), 200)
    assert api.call("GET", path("ConfigMap", home, "one"), token=ALICE).code == 404
    assert api.call("GET", path("ConfigMap", home, "two"), token=ALICE).code == 403
    assert api.call("GET", f"{path('ConfigMap', home)}?watch=1", token=ALICE).code == 403
    assert api.call("POST", path("ConfigMap", home), config("one"), token=ALICE).code == 403
    assert api.call("GET", path("ConfigMap", other), token=ALICE).code == 403
    assert api.call("GET", path("Secret", home), token=ALICE).code == 403


def test_subresources_are_granted_apart(api: Cluster) -> None:
    home = api.namespace()
    grant(api, home, rule("get", resources="pods/status"))
    api.ok("POST", path("Pod", home), of("Pod", "p", spec={"containers": [{"name": "c", "image": "i"}]}))
    eventually(api, ALICE, f"{path('Pod', home, 'p')}/status", 200)
    assert api.call("GET", path("Pod", home, "p"), token=ALICE).code == 403


def token(api: Cluster, home: str, account: str, **spec: Any) -> Answer:
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
    return api.call("POST", f"{path('ServiceAccount', home, account)}/token", body)


def review(api: Cluster, text: str, *audiences: str) -> dict[str, Any]:
    spec = {"token": text, **({"audiences": list(audiences)} if audiences else {})}
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": spec}
    found: dict[str, Any] = api.ok("POST", REVIEWS, body)["status"]
    return found


def test_a_service_accounts_token_is_its_user(api: Cluster) -> None:
    home = api.namespace()
    api.ok("POST", path("ServiceAccount", home), of("ServiceAccount", "runner"))
    made = token(api, home, "runner")
    assert made.code == 201 and made.value["status"]["expirationTimestamp"]
    text = made.value["status"]["token"]
    user = review(api, text)["user"]
    assert user["username"] == f"system:serviceaccount:{home}:runner"
    assert user["groups"] == ["system:serviceaccounts", f"system:serviceaccounts:{home}", "system:authenticated"]
    grant(api, home, rule("list"), subject={"kind": "ServiceAccount", "name": "runner", "namespace": home})
    eventually(api, text, path("ConfigMap", home), 200)
    assert api.call("GET", path("Secret", home), token=text).code == 403


def test_a_bound_token_names_pod_and_node(api: Cluster) -> None:
    home = api.namespace()
    api.ok("POST", path("ServiceAccount", home), of("ServiceAccount", "runner"))
    node = api.ok("POST", "/api/v1/nodes", {"apiVersion": "v1", "kind": "Node", "metadata": {"name": f"node-{home}"}})
    spec = {"serviceAccountName": "runner", "nodeName": f"node-{home}", "containers": [{"name": "c", "image": "i"}]}
    pod = api.ok("POST", path("Pod", home), of("Pod", "p", spec=spec))
    bound = {"kind": "Pod", "apiVersion": "v1", "name": "p"}
    text = token(api, home, "runner", audiences=["isthmus"], boundObjectRef=bound).value["status"]["token"]
    said = review(api, text, "isthmus", "other")
    assert (said["authenticated"], said["audiences"]) == (True, ["isthmus"])
    prefix = "authentication.kubernetes.io"
    extra = said["user"]["extra"]
    assert extra.pop(f"{prefix}/credential-id")[0].startswith("JTI=")
    assert extra == {
        f"{prefix}/pod-name": ["p"],
        f"{prefix}/pod-uid": [pod["metadata"]["uid"]],
        f"{prefix}/node-name": [f"node-{home}"],
        f"{prefix}/node-uid": [node["metadata"]["uid"]],
    }
    wrong = review(api, text, "other")
    why = '[invalid bearer token, token audiences ["isthmus"] is invalid for the target audiences ["other"]]'
    assert wrong == {"user": {}, "error": why}


def test_tokens_that_are_refused(api: Cluster) -> None:
    home = api.namespace()
    missing = token(api, home, "nobody")
    assert refusal(missing) == (404, "NotFound", 'serviceaccounts "nobody" not found')
    api.ok("POST", path("ServiceAccount", home), of("ServiceAccount", "runner"))
    short = token(api, home, "runner", expirationSeconds=5)
    text = "spec.expirationSeconds: Invalid value: 5: may not specify a duration less than 10 minutes"
    assert refusal(short) == (422, "Invalid", f'TokenRequest.authentication.k8s.io "" is invalid: {text}')
    unbound = token(api, home, "runner", boundObjectRef={"kind": "Pod", "apiVersion": "v1", "name": "zz"})
    assert refusal(unbound) == (404, "NotFound", 'pods "zz" not found')
    assert review(api, "no") == {"user": {}, "error": "invalid bearer token"}


def test_access_reviews(api: Cluster) -> None:
    home = api.namespace()
    grant(api, home, rule("list"))
    eventually(api, ALICE, path("ConfigMap", home), 200)
    for verb, wanted in (("list", True), ("delete", False)):
        about = {"verb": verb, "resource": "configmaps", "namespace": home}
        body = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": about},
        }
        answer = api.call("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", body, token=ALICE)
        assert (answer.code, answer.value["status"]["allowed"]) == (201, wanted)
