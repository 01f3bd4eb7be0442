"""deploy/: every right is needed and none is dangerous; every argument exists; pods are what their namespace allows."""

import re
import tomllib
from typing import Any

import click
import pytest

from federation.adapters.kube.kinds import FOLLOWED
from federation.adapters.kube.lease import NAME
from federation.adapters.kube.shards import SHARDS, name_of
from federation.cli.deploy import ENROLL
from federation.cli.main import cli
from federation.trust.enrolment import AUDIENCE, parse_accounts
from tests.worlds.deployed import DEPLOY, containers, named, objects, pods

Rule = dict[str, Any]
PODS = {name: (namespace, spec) for namespace, name, spec in pods()}
RUN = [
    (f"{pod}/{one['name']}", one) for pod, (_, spec) in PODS.items() for one in containers(spec) if "command" not in one
]


def rules(kind: str) -> list[Rule]:
    return [rule for one in objects() if one["kind"] == kind for rule in one["rules"]]


def rights(kind: str) -> set[tuple[str, str, str]]:
    return {
        (group, resource, verb)
        for rule in rules(kind)
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


STORE = {("secrets", verb) for verb in ("create", "get", "update")}
"""By name, in our own namespace (above); never a list of them."""
READ = ("list", "watch")
WRITTEN = ("Service", "EndpointSlice", "ServiceImport", "ClusterProperty", "MemberCluster")
STATUSES = (
    "ServiceExport", "ServiceImport", "TrafficPolicy", "AccessPolicy", "EgressPolicy", "GlobalName", "Drain", "MemberCluster",
)  # fmt: skip


def needed() -> set[tuple[str, str, str]]:
    """What the client asks for: it follows its kinds, applies and deletes what is wanted and Drains, applies statuses."""
    rows = {(kind.group, kind.plural, verb) for kind in FOLLOWED.values() for verb in READ}
    rows |= {(FOLLOWED[n].group, FOLLOWED[n].plural, verb) for n in WRITTEN for verb in ("create", "patch", "delete")}
    rows |= {(FOLLOWED["Drain"].group, FOLLOWED["Drain"].plural, verb) for verb in ("create", "patch", "delete")}
    rows |= {(FOLLOWED[name].group, f"{FOLLOWED[name].plural}/status", "patch") for name in STATUSES}
    return rows | {("authentication.k8s.io", "tokenreviews", "create")}


def test_the_controller_may_do_cluster_wide_what_it_needs_and_nothing_else() -> None:
    assert rights("ClusterRole") == needed()


def test_the_rest_is_its_lease_and_the_secrets_of_its_store_by_name() -> None:
    lease = {("coordination.k8s.io", "leases", verb) for verb in ("create", "get", "list", "update", "watch")}
    assert rights("Role") == lease | {("", "secrets", verb) for verb in ("create", "get", "update")}
    named = [rule["resourceNames"] for rule in rules("Role") if rule.get("resourceNames")]
    assert named == [[NAME], [name_of(number) for number in range(SHARDS)]]
    unnamed = [rule["verbs"] for rule in rules("Role") if not rule.get("resourceNames")]
    assert unnamed == [["create"], ["create"]], "the API cannot bind create to a name; everything else is bound"


SEEN = {("pods", "list"), ("pods", "watch")}
"""Whose the addresses of pods are; never made, changed or entered."""


def test_nothing_dangerous_is_granted() -> None:
    for group, resource, verb in rights("ClusterRole") | rights("Role"):
        assert "*" not in (group, resource, verb)
        assert (resource, verb) in STORE | SEEN or resource.partition("/")[0] not in (
            "secrets",
            "pods",
            "clusterroles",
            "roles",
            "serviceaccounts",
        ), resource
        assert resource not in ("nodes/proxy", "services/proxy") and verb not in ("escalate", "bind", "impersonate")
        assert verb != "deletecollection"
    assert not [rule for rule in rules("ClusterRole") if "nonResourceURLs" in rule]


def test_rights_go_to_the_controller_alone() -> None:
    bound = {
        (one["kind"], subject["name"], subject["namespace"])
        for one in objects()
        if one["kind"] in ("ClusterRoleBinding", "RoleBinding")
        for subject in one["subjects"]
    }
    controller = ("isthmus-controller", "isthmus-system")
    assert bound == {("ClusterRoleBinding", *controller), ("RoleBinding", *controller)}
    assert [name for name, (_, spec) in PODS.items() if spec.get("automountServiceAccountToken", True)] == [
        controller[0]
    ]


@pytest.mark.parametrize(("where", "container"), RUN, ids=[where for where, _ in RUN])
def test_every_argument_is_one_of_the_program(where: str, container: dict[str, Any]) -> None:
    command: click.Command = cli
    arguments, path = list(container["args"]), ["isthmus"]
    while isinstance(command, click.Group):
        found = command.get_command(click.Context(command), arguments[0])
        assert found is not None, f"{where}: {' '.join(path)} has no {arguments[0]}"
        command, path = found, [*path, arguments.pop(0)]
    context = command.make_context(" ".join(path), arguments)
    assert not context.args


def test_the_argument_check_finds_what_does_not_exist() -> None:
    with pytest.raises(click.NoSuchOption):
        signer = cli.get_command(click.Context(cli), "signer")
        assert signer is not None
        signer.make_context("signer", ["--state", "/x", "--nonsense"])


SYSTEM = [(name, one) for name, (space, spec) in PODS.items() if space == "isthmus-system" for one in containers(spec)]


@pytest.mark.parametrize(("pod", "container"), SYSTEM, ids=[f"{pod}/{one['name']}" for pod, one in SYSTEM])
def test_containers_are_restricted(pod: str, container: dict[str, Any]) -> None:
    held = container["securityContext"]
    assert held["runAsUser"] >= 10_000 and held["readOnlyRootFilesystem"] and not held["allowPrivilegeEscalation"]
    assert held["capabilities"] == {"drop": ["ALL"]}
    assert PODS[pod][1]["securityContext"]["runAsNonRoot"]
    assert PODS[pod][1]["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["resources"]["requests"] and container["resources"]["limits"]["memory"]


def test_only_the_signer_sees_the_anchors_key() -> None:
    _, spec = PODS["isthmus-controller"]
    seen = {one["name"] for one in containers(spec) if any(m["name"] == "anchor-secret" for m in one["volumeMounts"])}
    users = {one["name"]: one["securityContext"]["runAsUser"] for one in containers(spec)}
    assert seen == {"anchor"}
    assert users["anchor"] == users["signer"] != users["controller"] == users["state"]


@pytest.mark.parametrize("name", PODS)
def test_every_mount_has_its_volume_and_every_volume_its_mount(name: str) -> None:
    spec = PODS[name][1]
    mounted = {mount["name"] for one in containers(spec) for mount in one["volumeMounts"]}
    assert mounted == {volume["name"] for volume in spec["volumes"]}


def test_every_long_running_program_but_envoy_is_probed() -> None:
    unprobed = [where for where, one in RUN if "livenessProbe" not in one]
    assert unprobed == ["isthmus-gateway/envoy", "isthmus-node/envoy"]


CAPABILITIES = {
    "isthmus-gateway": ["NET_ADMIN", "NET_RAW"],
    "isthmus-node": ["NET_ADMIN", "NET_RAW", "SYS_PTRACE", "DAC_READ_SEARCH"],
}


def test_agents_have_few_capabilities_and_a_namespace_of_their_own() -> None:
    agents = {name: spec for name, (space, spec) in PODS.items() if space == "isthmus-gateway"}
    assert set(agents) == {"isthmus-gateway", "isthmus-node"}
    for name, spec in agents.items():
        added = {one["name"]: one["securityContext"]["capabilities"].get("add") for one in spec["containers"]}
        assert added == {"agent": CAPABILITIES[name], "envoy": None}
        assert all("privileged" not in one["securityContext"] for one in spec["containers"])
    levels = {
        space: named("Namespace", space)["metadata"]["labels"]["pod-security.kubernetes.io/enforce"]
        for space in ("isthmus-system", "isthmus-gateway")
    }
    assert levels == {"isthmus-system": "restricted", "isthmus-gateway": "privileged"}


def test_services_reach_ports_that_are_there() -> None:
    for service in (one for one in objects() if one["kind"] == "Service"):
        spec = PODS[service["spec"]["selector"]["app.kubernetes.io/name"]][1]
        ports = {p["name"]: p.get("protocol", "TCP") for one in spec["containers"] for p in one["ports"]}
        assert all(ports[port["targetPort"]] == port["protocol"] for port in service["spec"]["ports"])


DOCKERFILE = (DEPLOY / "Dockerfile").read_text()


def test_the_dockerfile_copies_what_exists_and_the_build_context_lets_it_in() -> None:
    sources = [
        source
        for line in DOCKERFILE.splitlines()
        if line.startswith("COPY ") and "--from=" not in line
        for source in line.split()[1:-1]
    ]
    let_in = [line[1:] for line in (DEPLOY.parent / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    assert sorted(sources) == sorted(let_in)
    assert all((DEPLOY.parent / source).exists() for source in sources)


def test_the_dockerfile_pins_runs_as_a_number_and_is_our_command() -> None:
    froms = re.findall(r"^FROM (\S+) AS (\S+)$", DOCKERFILE, re.M)
    assert froms == [
        ("python:3.11-slim", "libraries"),
        ("rust:1.95-slim", "packet"),
        ("libraries", "build"),
        ("python:3.11-slim", "controller"),
        ("controller", "gateway"),
    ]
    users = re.findall(r"^USER (.*)$", DOCKERFILE, re.M)
    assert users[0] == users[-1] == "10001:10001"
    assert re.findall(r"^ENTRYPOINT (.*)$", DOCKERFILE, re.M) == ['["isthmus"]']
    setup = (DEPLOY.parent / "scripts" / "setup").read_text()
    assert re.findall(r"uv==([0-9.]+)", DOCKERFILE) == re.findall(r"UV_VERSION=([0-9.]+)", setup)
    assert "--require-hashes" in DOCKERFILE


def test_the_image_has_the_packet_path_built_by_a_rust_that_it_takes_and_the_pinned_maturin() -> None:
    stages = {part.split()[0]: part for part in re.split(r"^FROM \S+ AS ", DOCKERFILE, flags=re.M)[1:]}
    crate = tomllib.loads((DEPLOY.parent / "dns" / "packet" / "Cargo.toml").read_text())["package"]
    (rust,) = re.findall(r"^FROM rust:([0-9.]+)-slim ", DOCKERFILE, re.M)
    assert [int(one) for one in rust.split(".")] >= [int(one) for one in crate["rust-version"].split(".")]
    assert "COPY --from=libraries /opt/isthmus/bin/maturin " in stages["packet"]
    assert re.search(r"^maturin==", (DEPLOY.parent / "requirements.lock").read_text(), re.M)
    (out,) = re.findall(r"--out (\S+)", stages["packet"])
    assert f"COPY --from=packet {out} {out}\n" in stages["build"] and f"{out}/*.whl" in stages["build"]
    assert all("--from=packet" not in stages[final] for final in ("controller", "gateway"))


def test_the_images_of_the_manifests_are_those_that_the_dockerfile_names() -> None:
    built = set(re.findall(r"-t (\S+) \.", DOCKERFILE))
    assert {one["image"] for _, spec in PODS.values() for one in containers(spec)} == built


def test_the_stub_domain_goes_to_the_service_port_of_dns() -> None:
    block = (DEPLOY / "coredns" / "Corefile").read_text()
    assert re.search(r"^clusterset\.local:53 \{$", block, re.M) and re.search(
        r"^    forward \. 10\.96\.0\.53 \{$", block, re.M
    )
    assert {port["port"] for port in named("Service", "isthmus-dns")["spec"]["ports"]} == {53}


def test_each_role_is_for_the_account_of_its_pods_alone() -> None:
    _, spec = PODS["isthmus-controller"]
    (controller,) = (one for one in spec["containers"] if one["name"] == "controller")
    given = parse_accounts(one.removeprefix("--enroll=") for one in controller["args"] if one.startswith("--enroll="))
    roles = {"isthmus-gateway": "gateway", "isthmus-node": "node", "isthmus-dns": "dns", "isthmus-xds": "xds"}
    assert given == {role: (PODS[name][0], PODS[name][1]["serviceAccountName"]) for name, role in roles.items()}
    accounts = {
        (one["metadata"]["namespace"], one["metadata"]["name"]) for one in objects() if one["kind"] == "ServiceAccount"
    }
    assert set(given.values()) <= accounts


@pytest.mark.parametrize("name", ["isthmus-gateway", "isthmus-node", "isthmus-dns", "isthmus-xds"])
def test_programs_enrol_where_the_controller_listens_with_what_is_mounted(name: str) -> None:
    spec = PODS[name][1]
    args = dict(one.removeprefix("--").split("=", 1) for one in spec["containers"][0]["args"] if "=" in one)
    for option, service in (("enroll", "isthmus-enroll"), ("controller", "isthmus-controller")):
        (port,) = named("Service", service)["spec"]["ports"]
        assert args[option] == f"{service}.isthmus-system.svc:{port['port']}"
    (volume,) = (one["projected"]["sources"] for one in spec["volumes"] if one["name"] == "enroll")
    assert volume[0] == {"serviceAccountToken": {"audience": AUDIENCE, "path": "token"}}
    assert volume[1]["configMap"]["name"] == ENROLL
    assert (args["enroll-token"], args["enroll-anchor"]) == ("/enroll/token", "/enroll/anchors.pem")
    (env,) = (one for one in spec["containers"][0]["env"] if one["name"] == "MEMBER")
    assert env["valueFrom"]["configMapKeyRef"] == {"name": ENROLL, "key": "member"}
