"""The Kubernetes client against both beds: what is followed, what is written, what is left alone."""

from dataclasses import replace
from typing import Any

import pytest
from msgspec import structs

from federation.adapters.kube.kinds import FOLLOWED
from federation.adapters.kube.kubeconfig import read_kubeconfig
from federation.model.handout import Workload
from federation.model.names import ServiceKey
from federation.ports import Wanted
from tests.netns.spaces import await_true
from tests.worlds.clusters import ALICE, APPLY, MERGE, Cluster
from tests.worlds.kube_client import BRISK, running, writes

MCS = "multicluster.x-k8s.io/v1beta1"
OLD = "2026-01-01T00:00:00Z"
READY = {"type": "Ready", "status": "True", "reason": "Exported", "message": "Exported to the federation."}


def wanted_slice(namespace: str, address: str = "10.9.1.1") -> Wanted:
    body: dict[str, Any] = {
        "metadata": {"labels": {"multicluster.kubernetes.io/service-name": "web"}},
        "addressType": "IPv4",
        "endpoints": [{"addresses": [address], "conditions": {"ready": True, "serving": True, "terminating": False}}],
        "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
    }
    return Wanted(
        api_version="discovery.k8s.io/v1", kind="EndpointSlice", namespace=namespace, name="web-eu", body=body
    )


def wanted_service(namespace: str) -> Wanted:
    ports = [{"name": "http", "port": 80}, {"name": "udp", "port": 80, "protocol": "UDP"}]
    body = {"metadata": {"annotations": {"isthmus.dev/why": "x"}}, "spec": {"type": "ClusterIP", "ports": ports}}
    return Wanted(api_version="v1", kind="Service", namespace=namespace, name="imported-web", body=body)


def wanted_import(namespace: str) -> Wanted:
    spec = {"type": "ClusterSetIP", "ips": ["10.96.7.7"], "ports": [{"name": "http", "port": 80, "protocol": "TCP"}]}
    status = {"clusters": [{"cluster": "eu"}, {"cluster": "us"}], "conditions": [READY]}
    body = {"spec": spec}
    return Wanted(api_version=MCS, kind="ServiceImport", namespace=namespace, name="web", body=body, status=status)


def wanted_condition(namespace: str, **changed: str) -> Wanted:
    status = {"conditions": [READY | changed]}
    return Wanted(api_version=MCS, kind="ServiceExport", namespace=namespace, name="web", body=None, status=status)


def everything(namespace: str) -> tuple[Wanted, ...]:
    return wanted_slice(namespace), wanted_service(namespace), wanted_import(namespace), wanted_condition(namespace)


def path(namespace: str, what: str) -> str:
    group, _, rest = what.partition("/")
    root = "/api/v1" if group == "services" else "/apis/" + {"endpointslices": "discovery.k8s.io/v1"}.get(group, MCS)
    return f"{root}/namespaces/{namespace}/{group}/{rest}".rstrip("/")


SLICE, SERVICE, IMPORT, EXPORT = (
    "endpointslices/web-eu",
    "services/imported-web",
    "serviceimports/web",
    "serviceexports/web",
)


def export(api: Cluster, namespace: str, name: str = "web") -> None:
    body = {"apiVersion": MCS, "kind": "ServiceExport", "metadata": {"name": name}}
    api.ok("POST", path(namespace, "serviceexports"), body)


def there(api: Cluster, namespace: str, what: str) -> dict[str, Any]:
    """The object, {} when it is not there."""
    answer = api.call("GET", path(namespace, what))
    return answer.value if answer.code == 200 else {}


def deletes(api: Cluster) -> None:
    if not api.tokens:
        pytest.skip("an existing cluster may hold objects of an Isthmus that runs there")


def test_what_is_in_the_cluster_is_followed(api: Cluster) -> None:
    namespace = api.namespace()
    key = ServiceKey(namespace, "web")
    with running(api.kubeconfig) as client:
        export(api, namespace)
        body = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": {"ports": [{"port": 80}]}}
        api.ok("POST", path(namespace, "services"), body)
        client.until("export and service", lambda: client.do(lambda: client.kube.service(key)).exported)
        client.until("service", lambda: client.do(lambda: client.kube.service(key)).kind == "ClusterSetIP")
        api.ok("DELETE", path(namespace, EXPORT))
        client.until("no export", lambda: not client.do(lambda: client.kube.service(key)).exported)


def test_what_is_wanted_is_written_and_an_unchanged_world_costs_no_request(api: Cluster) -> None:
    namespace = api.namespace()
    export(api, namespace)
    with running(api.kubeconfig) as client:
        client.want("web", *everything(namespace))
        client.until("all is written", client.settled)
        assert client.problems() == ()
        assert there(api, namespace, SLICE)["endpoints"][0]["addresses"] == ["10.9.1.1"]
        assert there(api, namespace, SERVICE)["metadata"]["labels"] == {"app.kubernetes.io/managed-by": "isthmus"}
        assert there(api, namespace, SERVICE)["spec"]["clusterIP"]
        assert there(api, namespace, IMPORT)["status"]["clusters"] == [{"cluster": "eu"}, {"cluster": "us"}]
        assert there(api, namespace, EXPORT)["status"]["conditions"][0]["lastTransitionTime"]
        before = writes()
        client.want("web", *everything(namespace))
        client.until("it is settled", client.settled)
        assert writes() == before
    with running(api.kubeconfig) as client:
        client.want("web", *everything(namespace))
        client.until("a new process finds all as it shall be", client.settled)
        assert writes() == before
        client.want("web", wanted_slice(namespace, "10.9.1.2"), *everything(namespace)[1:])
        client.until("the change is written", client.settled)
        assert writes() == before + 1


def test_what_somebody_else_changes_or_deletes_comes_back(api: Cluster) -> None:
    namespace = api.namespace()
    with running(api.kubeconfig) as client:
        client.want("web", *everything(namespace))
        client.until("all is written", client.settled)
        api.ok("DELETE", path(namespace, SLICE))
        client.until("the slice", lambda: there(api, namespace, SLICE))
        changed = {"metadata": {"labels": {"app.kubernetes.io/managed-by": "x"}}, "spec": {"type": "NodePort"}}
        api.ok("PATCH", path(namespace, SERVICE), changed, "application/merge-patch+json")
        client.until("the type", lambda: there(api, namespace, SERVICE)["spec"]["type"] == "ClusterIP")
        labels = there(api, namespace, SERVICE)["metadata"]["labels"]
        assert labels == {"app.kubernetes.io/managed-by": "isthmus"}
        assert client.problems() == ()


def test_what_nobody_wants_is_deleted_when_everything_was_wanted_once(api: Cluster) -> None:
    deletes(api)
    namespace = api.namespace()
    with running(api.kubeconfig) as client:
        client.want("web", wanted_slice(namespace), wanted_service(namespace))
        client.until("both are written", client.settled)
    copy = there(api, namespace, SLICE)
    copy["metadata"] = {"name": "copy", "labels": copy["metadata"]["labels"]}
    api.ok("POST", path(namespace, "endpointslices"), copy)
    with running(api.kubeconfig) as client:
        client.want("web", wanted_slice(namespace))
        client.until("nothing is deleted before", client.settled)
        assert there(api, namespace, SERVICE)
        client.complete()
        client.until("it is deleted", lambda: not there(api, namespace, SERVICE))
        client.want("other", wanted_slice(namespace))
        client.want("web")
        client.until("what another owner wants stays", client.settled)
        assert there(api, namespace, SLICE)
        client.want("other")
        client.until("it is deleted too", lambda: not there(api, namespace, SLICE))
        assert there(api, namespace, "endpointslices/copy")


def test_what_is_not_ours_is_left_alone(api: Cluster) -> None:
    namespace = api.namespace()
    body = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "imported-web"},
        "spec": {"ports": [{"port": 1}]},
    }
    api.ok("POST", path(namespace, "services"), body)
    with running(api.kubeconfig) as client:
        client.want("web", wanted_service(namespace))
        client.until("it is told", client.problems)
        assert client.problems() == (
            f"Service {namespace}/imported-web: is there and not ours, so it is left alone: delete or rename it",
        )
        assert there(api, namespace, SERVICE)["spec"]["ports"][0]["port"] == 1
        api.ok("DELETE", path(namespace, SERVICE))
        client.until(
            "ours", lambda: (there(api, namespace, SERVICE).get("spec") or {}).get("ports", [{}])[0].get("port") == 80
        )
        client.until("nothing to tell", lambda: client.problems() == ())


def test_a_field_that_another_manager_holds_is_told_and_not_forced(api: Cluster) -> None:
    namespace = api.namespace()
    export(api, namespace)
    theirs = {
        "apiVersion": MCS,
        "kind": "ServiceExport",
        "metadata": {"name": "web", "namespace": namespace},
        "status": {"conditions": [READY | {"reason": "Theirs", "lastTransitionTime": OLD}]},
    }
    api.ok("PATCH", path(namespace, EXPORT) + "/status?fieldManager=other", theirs, APPLY)
    with running(api.kubeconfig) as client:
        client.want("web", wanted_condition(namespace))
        client.until("it is told", client.problems)
        (problem,) = client.problems()
        assert problem.startswith(f"ServiceExport {namespace}/web: field status.conditions")
        assert problem.endswith('is held by "other", so it is left alone: take it out there')
        assert there(api, namespace, EXPORT)["status"]["conditions"][0]["reason"] == "Theirs"


def test_a_new_service_gets_another_address_when_somebody_has_the_one_that_it_asks_for(api: Cluster) -> None:
    namespace = api.namespace()
    body = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "thief"}, "spec": {"ports": [{"port": 80}]}}
    taken = api.ok("POST", path(namespace, "services"), body)["spec"]["clusterIP"]
    again = wanted_service(namespace)
    assert again.body is not None
    spec = {**again.body["spec"], "clusterIP": taken, "clusterIPs": [taken]}
    with running(api.kubeconfig) as client:
        client.want("web", structs.replace(again, body=again.body | {"spec": spec}))
        client.until("it is settled", client.settled)
        assert client.problems() == ()
        assert there(api, namespace, SERVICE)["spec"]["clusterIP"] != taken


@pytest.mark.parametrize("wanted", [True, False])
def test_an_object_that_a_finalizer_keeps_is_told(api: Cluster, wanted: bool) -> None:
    deletes(api)
    namespace = api.namespace()
    merge = "application/merge-patch+json"
    with running(api.kubeconfig) as client:
        client.want("web", wanted_slice(namespace))
        client.complete()
        client.until("it is written", client.settled)
        api.ok("PATCH", path(namespace, SLICE), {"metadata": {"finalizers": ["example.com/keep"]}}, merge)
        if wanted:
            api.ok("DELETE", path(namespace, SLICE))
        else:
            client.want("web")
        line = (
            f"EndpointSlice {namespace}/web-eu: is being deleted and does not go before its finalizers "
            '"example.com/keep" are taken out by who set them'
        )
        client.until("it is told", lambda: client.problems() == (line,))
        old = there(api, namespace, SLICE)["metadata"]["uid"]
        api.ok("PATCH", path(namespace, SLICE), {"metadata": {"finalizers": None}}, merge)
        client.until("nothing to tell", lambda: client.problems() == () and client.settled())
        client.until(
            "it is anew or gone", lambda: there(api, namespace, SLICE).get("metadata", {}).get("uid", "") != old
        )
        client.until("it is as wanted", lambda: bool(there(api, namespace, SLICE)) == wanted)


@pytest.mark.parametrize("code", [401, 429, 503])
def test_after_an_outage_what_waits_is_written_soon(api: Cluster, code: int) -> None:
    if not api.double:
        pytest.skip("only the double fails on demand")
    namespace = api.namespace()
    before = writes()
    with running(api.kubeconfig, pace=structs.replace(BRISK, write_longest=300.0)) as client:
        api.faults(answers=[{"code": code, "count": 1_000_000, "method": "PATCH"}])
        try:
            client.want("web", wanted_slice(namespace))
            client.until("it was tried often", lambda: writes() > before + 20)
            (line,) = client.problems()
            assert line.startswith(f"the API server cannot be written to ({code} ")
        finally:
            api.faults()
        client.until("it is written", lambda: there(api, namespace, SLICE))
        client.until("nothing to tell", lambda: client.problems() == ())


def test_objects_wait_for_their_namespace(api: Cluster) -> None:
    number = int(api.namespace().rpartition("-")[2]) + 1_000_000
    namespace = f"later-{number}"
    with running(api.kubeconfig) as client:
        client.want("web", wanted_slice(namespace), wanted_service(namespace))
        client.until("it is told", client.problems)
        client.until("it waits", client.settled)
        assert client.problems() == (
            f'namespace "{namespace}" does not exist or is ending: 2 of our objects wait for it '
            f"(EndpointSlice {namespace}/web-eu, Service {namespace}/imported-web)",
        )
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
        api.ok("POST", "/api/v1/namespaces", body)
        api.made.append(namespace)
        client.until("both", lambda: there(api, namespace, SLICE) and there(api, namespace, SERVICE))
        client.until("nothing to tell", lambda: client.problems() == ())


def test_a_condition_keeps_its_time_until_its_status_changes(api: Cluster) -> None:
    namespace = api.namespace()
    export(api, namespace)

    def condition() -> dict[str, Any]:
        found: dict[str, Any] = there(api, namespace, EXPORT)["status"]["conditions"][0]
        return found

    with running(api.kubeconfig) as client:
        client.want("web", wanted_condition(namespace))
        client.until("it is written", client.settled)
        assert condition()["lastTransitionTime"] > OLD
    body = {
        "apiVersion": MCS,
        "kind": "ServiceExport",
        "metadata": {"name": "web", "namespace": namespace},
        "status": {"conditions": [READY | {"lastTransitionTime": OLD}]},
    }
    api.ok("PATCH", path(namespace, EXPORT) + "/status?fieldManager=isthmus", body, APPLY)
    with running(api.kubeconfig) as client:
        client.want("web", wanted_condition(namespace, message="Another."))
        client.until("the message", lambda: condition()["message"] == "Another.")
        assert condition()["lastTransitionTime"] == OLD
        client.want("web", wanted_condition(namespace, status="False"))
        client.until("the status", lambda: condition()["status"] == "False")
        assert condition()["lastTransitionTime"] > OLD


def test_nothing_is_written_before_we_may(api: Cluster) -> None:
    namespace = api.namespace()
    allowed: list[bool] = []
    before = writes()
    with running(api.kubeconfig, lambda: bool(allowed), listed=False) as client:
        client.want("web", wanted_slice(namespace))
        assert not client.settled()
        assert writes() == before
        allowed.append(True)
        client.until("it is written", lambda: there(api, namespace, SLICE))


def test_missing_rights_are_named(api: Cluster) -> None:
    if not api.tokens:
        pytest.skip("needs a user without rights")
    access = replace(read_kubeconfig(api.kubeconfig), token=ALICE)
    with running(api.kubeconfig, access=access, listed=False) as client:
        client.until("every kind is told", lambda: len(client.problems()) == len(FOLLOWED))
        assert (
            "EndpointSlice: the API server does not let us list and watch endpointslices.discovery.k8s.io: "
            "grant it (deploy/, ClusterRole)"
        ) in client.problems()
        assert client.do(lambda: client.kube.certainty) == "unknown"


def test_a_missing_right_to_write_is_named_with_its_subresource(api: Cluster) -> None:
    if not api.tokens:
        pytest.skip("needs a user with few rights")
    namespace = api.namespace()
    export(api, namespace)
    version = "rbac.authorization.k8s.io/v1"
    name = {"name": f"reader-{namespace}"}
    role = {"kind": "ClusterRole", **name, "apiGroup": "rbac.authorization.k8s.io"}
    rules = [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["list", "watch"]}]
    subjects = [{"kind": "User", "name": "alice", "apiGroup": "rbac.authorization.k8s.io"}]
    bindings = f"/apis/{version}/clusterrolebindings"
    made = {"apiVersion": version, "kind": "ClusterRole", "metadata": name, "rules": rules}
    api.ok("POST", f"/apis/{version}/clusterroles", made)
    bound = {"apiVersion": version, "kind": "ClusterRoleBinding", "metadata": name}
    api.ok("POST", bindings, bound | {"roleRef": role, "subjects": subjects})
    access = replace(read_kubeconfig(api.kubeconfig), token=ALICE)
    try:
        with running(api.kubeconfig, access=access) as client:
            client.want("web", wanted_condition(namespace), wanted_slice(namespace))
            client.until("both are told", lambda: len(client.problems()) == 2)
            assert client.problems() == (
                "EndpointSlice: the API server does not let us patch endpointslices.discovery.k8s.io: "
                "grant it (deploy/, ClusterRole)",
                "ServiceExport: the API server does not let us patch serviceexports.multicluster.x-k8s.io/status: "
                "grant it (deploy/, ClusterRole)",
            )
    finally:
        api.ok("DELETE", f"{bindings}/{name['name']}")


def test_whose_the_addresses_on_a_node_are(api: Cluster) -> None:
    home = api.namespace()
    base = f"/api/v1/namespaces/{home}"
    node = f"n-{home}"
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "client"}}
    api.ok("POST", f"{base}/serviceaccounts", account)
    spec = {"nodeName": node, "serviceAccountName": "client", "containers": [{"name": "c", "image": "i"}]}
    api.ok("POST", f"{base}/pods", {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "one"}, "spec": spec})
    with running(api.kubeconfig) as kube:
        status = {"phase": "Running", "podIP": "10.1.1.50", "podIPs": [{"ip": "10.1.1.50"}]}
        api.ok("PATCH", f"{base}/pods/one/status", {"status": status}, MERGE)
        expected = (Workload(home, "client", ("10.1.1.50",)),)
        await_true("the pod's address", lambda: kube.do(lambda: kube.kube.workloads(node)) == expected)
        assert not [key for key in kube.kube._writer._world._objects if key[0] == "Pod"], (
            "nothing is kept of pods to write"
        )
        api.ok("PATCH", f"{base}/pods/one/status", {"status": {"phase": "Succeeded"}}, MERGE)
        await_true("nobody's address", lambda: kube.do(lambda: kube.kube.workloads(node)) == ())
