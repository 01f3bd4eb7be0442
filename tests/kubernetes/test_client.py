"""The Kubernetes client against both beds: what is followed, what is written, what is left alone."""

from dataclasses import replace
from typing import Any

import pytest

from federation.adapters.kube.kinds import FOLLOWED
from federation.adapters.kube.kubeconfig import read_kubeconfig
from federation.model.names import ServiceKey
from federation.ports import Wanted
from tests.worlds.clusters import ALICE, APPLY, Cluster
from tests.worlds.kube_client import running, writes

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
        assert client.problems()[2] == (
            "EndpointSlice: the API server does not let us list and watch endpointslices.discovery.k8s.io: "
            "grant it (deploy/, ClusterRole)"
        )
        assert client.do(lambda: client.kube.certainty) == "unknown"
