"""API servers of the members: the double, or kube-apiserver with etcd, each in a namespace of its own."""

import os
import secrets
import shutil
import sys
from functools import partial
from pathlib import Path
from typing import Any

import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from federation.lab import errors, netns, process
from federation.lab.apiserver import APPLY, written
from federation.lab.cluster import kubeconfig, server_of
from federation.lab.state import Lab
from federation.lab.topology import API_PORT, NAMESPACE, Member, Topology

DOUBLE, REAL = "double", "real"
ASSETS = "KUBEBUILDER_ASSETS"
STORE = "http://127.0.0.1:2379"
READY_SECONDS = 90.0
CRDS = Path(__file__).parents[1] / "crds"
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


def assets() -> tuple[Path, Path]:
    """kube-apiserver and etcd; LabError when they are not to be had."""
    named = os.environ.get(ASSETS, "")
    if not named:
        raise errors.no_assets()
    server, beside, found = Path(named, "kube-apiserver"), Path(named, "etcd"), shutil.which("etcd")
    if not server.is_file():
        raise errors.not_assets(named)
    if beside.is_file():
        return server.absolute(), beside.absolute()
    if found is None:
        raise errors.missing_program("etcd", "etcd-server")
    return server.absolute(), Path(found)


def start_servers(lab: Lab, topology: Topology) -> None:
    """Start every member's API server."""
    programs = assets() if lab.kubernetes == REAL else None
    for member in topology.members:
        token = secrets.token_hex(16)
        tokens = lab.member(member.name) / "tokens.csv"
        tokens.parent.mkdir(parents=True, exist_ok=True)
        tokens.touch(0o600)
        tokens.write_text(f'{token},lab,1,"system:masters"\n')
        if programs is None:
            _start(lab, member, "kubernetes", double(member, lab.member(member.name)))
        else:
            _start(lab, member, "etcd", etcd(programs[1], lab.member(member.name)))
            _make_keys(lab.member(member.name))
            _start(lab, member, "kubernetes", real(programs[0], member, lab.member(member.name)))


def double(member: Member, folder: Path) -> list[str]:
    """The command line of the double."""
    where = ("--listen", f"{member.api}:{API_PORT}", "--service-range", member.clusterset_prefix, "--tls")
    files = ("--token-file", str(folder / "tokens.csv"), "--kubeconfig-out", str(folder / "kubeconfig"))
    return process.own("kubernetes", *where, *files)


def etcd(program: Path, folder: Path) -> list[str]:
    """The command line of etcd."""
    listen = (f"--listen-client-urls={STORE}", f"--advertise-client-urls={STORE}")
    return [str(program), f"--data-dir={folder}/etcd", *listen, "--listen-peer-urls=http://127.0.0.1:0"]


def real(program: Path, member: Member, folder: Path) -> list[str]:
    """The command line of kube-apiserver; its ClusterIPs are the member's clusterset range."""
    return [
        str(program),
        f"--etcd-servers={STORE}",
        f"--bind-address={member.api}",
        f"--secure-port={API_PORT}",
        f"--cert-dir={folder}/certs",
        f"--service-cluster-ip-range={member.clusterset_prefix}",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-signing-key-file={folder}/accounts.key",
        f"--service-account-key-file={folder}/accounts.pub",
        "--authorization-mode=RBAC",
        f"--token-auth-file={folder}/tokens.csv",
        "--disable-admission-plugins=ServiceAccount",
    ]


def _start(lab: Lab, member: Member, what: str, argv: list[str]) -> None:
    space = netns.api(lab.lab, member.name)
    process.start(lab, f"{member.name}-{what}", space, process.wrapped(space, argv))


def _make_keys(folder: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    private, public = folder / "accounts.key", folder / "accounts.pub"
    private.touch(0o600)
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    private.write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))
    public.write_bytes(key.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo))


def prepare_servers(lab: Lab, topology: Topology) -> None:
    """Wait until they serve; give each our kinds and the namespace `shop`. LabError when one ends or is too late."""
    for member in topology.members:
        needs = [name for name in lab.programs if name in (f"{member.name}-kubernetes", f"{member.name}-etcd")]
        if lab.kubernetes == REAL:
            _write_kubeconfig(lab, member, needs)
        server = server_of(lab, member.name)
        process.wait_for(lab, server.ready, READY_SECONDS, needs)
        for definition in definitions():
            server.ok("PATCH", f"{DEFINITIONS}/{definition['metadata']['name']}?fieldManager=lab", definition, APPLY)
        space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
        server.ok("PATCH", f"/api/v1/namespaces/{NAMESPACE}?fieldManager=lab", space, APPLY)
    for member in topology.members:
        process.wait_for(lab, partial(_unserved, lab, member.name), READY_SECONDS)


def _write_kubeconfig(lab: Lab, member: Member, needs: list[str]) -> None:
    certificate = lab.member(member.name) / "certs" / "apiserver.crt"
    process.wait_for(lab, lambda: process.there(certificate), READY_SECONDS, needs)
    token = (lab.member(member.name) / "tokens.csv").read_text().partition(",")[0]
    path = kubeconfig(lab, member.name)
    path.touch(0o600)
    path.write_text(written(f"https://{member.api}:{API_PORT}", token, certificate.read_bytes()))


def definitions() -> list[dict[str, Any]]:
    """Every CustomResourceDefinition of Isthmus."""
    return [one for path in sorted(CRDS.glob("*.yaml")) for one in yaml.safe_load_all(path.read_text()) if one]


def _unserved(lab: Lab, member: str) -> str:
    """For wait_for: our kinds can be listed in every version."""
    server = server_of(lab, member)
    for definition in definitions():
        spec = definition["spec"]
        for version in spec["versions"]:
            path = f"/apis/{spec['group']}/{version['name']}/{spec['names']['plural']}"
            if version["served"] and server.ask("GET", path)[0] != 200:
                return f"{member} does not serve {path}"
    return ""


def kubectl(lab: Lab, member: str, arguments: tuple[str, ...]) -> None:
    """Become kubectl (that of this installation, else that of PATH) against a member's API server; or LabError."""
    if not lab.kubernetes:
        raise errors.no_servers(lab.directory)
    if not kubeconfig(lab, member).is_file():
        known = sorted(path.parent.name for path in lab.path.glob("*/kubeconfig"))
        raise errors.unknown_name("member", member, known)
    program = shutil.which(str(Path(sys.executable).with_name("kubectl"))) or shutil.which("kubectl")
    if program is None:
        raise errors.missing_kubectl()
    config = f"--kubeconfig={kubeconfig(lab, member)}"
    line = [program, config, f"--cache-dir={lab.member(member)}/kubectl", *arguments]
    os.execvp("ip", process.wrapped(netns.machine(lab.lab, member), line))  # noqa: S606
