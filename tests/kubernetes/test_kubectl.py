"""kubectl against both beds: what a person at a terminal sees."""

import json
import subprocess
from typing import Any

import pytest
import yaml

from tests.kubernetes.objects import config, of, path, service, slice_, widget, widgets
from tests.worlds.clusters import CRDS, Cluster, establish
from tests.worlds.kubectl import KUBECTL

TEMPLATE = {"metadata": {"labels": {"app": "a"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
SELECTED = {"selector": {"matchLabels": {"app": "a"}}, "template": TEMPLATE}
ROLE = {"rules": [{"apiGroups": [""], "resources": ["services"], "verbs": ["list"]}]}
BINDING = {"roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "one"}}
POD = {"containers": [{"name": "c", "image": "i"}]}


def grouped(kind: str, version: str, **body: Any) -> dict[str, Any]:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": "one"}, **body}


KINDS: dict[str, dict[str, Any]] = {
    "service": service("one"),
    "endpointslice": slice_("one"),
    "configmap": config("one", a="1"),
    "secret": of("Secret", "one", stringData={"a": "b"}),
    "serviceaccount": of("ServiceAccount", "one"),
    "pod": of("Pod", "one", spec=POD),
    "lease": of("Lease", "one", spec={"holderIdentity": "me", "leaseDurationSeconds": 15}),
    "deployment": grouped("Deployment", "apps/v1", spec={"replicas": 2, **SELECTED}),
    "daemonset": grouped("DaemonSet", "apps/v1", spec=SELECTED),
    "role": grouped("Role", "rbac.authorization.k8s.io/v1", **ROLE),
    "rolebinding": grouped("RoleBinding", "rbac.authorization.k8s.io/v1", **BINDING),
    "poddisruptionbudget": grouped("PodDisruptionBudget", "policy/v1", spec={"minAvailable": 1, "selector": {}}),
    "job": grouped("Job", "batch/v1", spec={"template": {"spec": {**POD, "restartPolicy": "Never"}}}),
    "widget": widget("one"),
    "trafficpolicy": grouped("TrafficPolicy", "isthmus.dev/v1alpha1", spec={"order": ["us-east"]}),
}
TABLES = {
    "service": ["NAME", "TYPE", "CLUSTER-IP", "EXTERNAL-IP", "PORT(S)", "AGE"],
    "endpointslice": ["NAME", "ADDRESSTYPE", "PORTS", "ENDPOINTS", "AGE"],
    "configmap": ["NAME", "DATA", "AGE"],
    "secret": ["NAME", "TYPE", "DATA", "AGE"],
    "pod": ["NAME", "READY", "STATUS", "RESTARTS", "AGE"],
    "lease": ["NAME", "HOLDER", "AGE"],
    "deployment": ["NAME", "READY", "UP-TO-DATE", "AVAILABLE", "AGE"],
    "rolebinding": ["NAME", "ROLE", "AGE"],
    "role": ["NAME", "CREATED", "AT"],
    "widget": ["NAME", "MODE", "SIZE"],
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("side", ["client", "server"])
def test_apply_get_describe_delete(api: Cluster, kind: str, side: str) -> None:
    establish(api, widgets())
    home, text = api.namespace(), json.dumps(KINDS[kind])
    apply = ["apply", "-n", home, "-f", "-", *(["--server-side"] if side == "server" else [])]
    done = "serverside-applied" if side == "server" else "created"
    assert api.kubectl(*apply, given=text).rstrip().endswith(done)
    again = api.kubectl(*apply, given=text).rstrip()
    assert again.endswith("serverside-applied" if side == "server" else ("unchanged", "configured")), again
    listed = api.kubectl("get", kind, "-n", home).splitlines()
    assert listed[0].split() == TABLES.get(kind, listed[0].split())
    assert [line for line in listed[1:] if line.split()[0] == "one"]
    assert "one" in api.kubectl("describe", kind, "one", "-n", home)
    assert json.loads(api.kubectl("get", kind, "one", "-n", home, "-o", "json"))["metadata"]["name"] == "one"
    api.kubectl("delete", kind, "one", "-n", home, "--wait=true", "--grace-period=0", "--force")
    assert "NotFound" in api.kubectl("get", kind, "one", "-n", home, fails=True)


def test_a_changed_manifest_changes_the_object(api: Cluster) -> None:
    home = api.namespace()
    ports = [{"name": "a", "port": 1}, {"name": "b", "port": 2}]
    api.kubectl("apply", "-n", home, "-f", "-", given=json.dumps(service("web", ports=ports)))
    done = api.kubectl("apply", "-n", home, "-f", "-", given=json.dumps(service("web", ports=ports[1:])))
    assert "configured" in done
    assert [one["name"] for one in api.ok("GET", path("Service", home, "web"))["spec"]["ports"]] == ["b"]


def test_a_conflict_is_shown(api: Cluster) -> None:
    home = api.namespace()
    apply = ["apply", "-n", home, "--server-side", "-f", "-"]
    api.kubectl(*apply, "--field-manager=them", given=json.dumps(config("one", a="1")))
    said = api.kubectl(*apply, "--field-manager=us", given=json.dumps(config("one", a="2")), fails=True)
    assert 'Apply failed with 1 conflict: conflict with "them": .data.a' in said
    api.kubectl(*apply, "--field-manager=us", "--force-conflicts", given=json.dumps(config("one", a="2")))


def test_an_unknown_field_is_refused(api: Cluster) -> None:
    home = api.namespace()
    said = api.kubectl("apply", "-n", home, "-f", "-", given=json.dumps(service("web", colour="red")), fails=True)
    assert 'unknown field "spec.colour"' in said


def test_watch(api: Cluster) -> None:
    home = api.namespace()
    api.ok("POST", path("Service", home), service("web"))
    command = [KUBECTL, f"--kubeconfig={api.kubeconfig}", "get", "services", "-n", home, "--watch"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline().split()[0] == "NAME"
            assert process.stdout.readline().split()[0] == "web"
            api.ok("POST", path("Service", home), service("other"))
            assert process.stdout.readline().split()[0] == "other"
        finally:
            process.terminate()


def test_wait_and_labels(api: Cluster) -> None:
    home = api.namespace()
    api.kubectl("wait", "--for=condition=Established", "crd/trafficpolicies.isthmus.dev", "--timeout=10s")
    api.kubectl("create", "-n", home, "-f", "-", given=json.dumps(config("one", a="1")))
    api.kubectl("label", "configmap", "one", "-n", home, "tier=web")
    api.kubectl("annotate", "configmap", "one", "-n", home, "isthmus.dev/x=y")
    listed = api.kubectl("get", "configmaps", "-n", home, "-l", "tier=web", "-o", "name")
    assert listed == "configmap/one\n"
    api.kubectl("patch", "configmap", "one", "-n", home, "--type=merge", "-p", '{"data":{"a":"2"}}')
    assert api.ok("GET", path("ConfigMap", home, "one"))["data"] == {"a": "2"}


@pytest.mark.parametrize(
    "what", ["service.spec.ports", "endpointslice.endpoints", "trafficpolicy.spec", "lease", "crd.spec"]
)
def test_explain(api: Cluster, what: str) -> None:
    said = api.kubectl("explain", what)
    assert "KIND:" in said and "DESCRIPTION:" in said


def test_resources_and_version(api: Cluster) -> None:
    said = api.kubectl("api-resources", "--no-headers")
    found = {line.split()[0] for line in said.splitlines()}
    assert {"services", "endpointslices", "leases", "trafficpolicies", "customresourcedefinitions"} <= found
    assert "Server Version: v1." in api.kubectl("version")
    assert "isthmus.dev/v1alpha1" in api.kubectl("api-versions")


@pytest.mark.parametrize("manifest", sorted(CRDS.glob("*.yaml")), ids=lambda one: one.stem)
def test_our_definitions_apply(api: Cluster, manifest: Any) -> None:
    api.kubectl("apply", "--server-side", "--dry-run=server", "--force-conflicts", "-f", str(manifest))
    for crd in filter(None, yaml.safe_load_all(manifest.read_text())):
        api.kubectl("get", f"{crd['spec']['names']['plural']}.{crd['spec']['group']}", "-A")
        api.kubectl("describe", "crd", crd["metadata"]["name"])
