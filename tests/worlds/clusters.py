"""Kubernetes API servers to test against, two sorts alike: our double, and real kube-apiservers.

`double` starts `isthmus lab kubernetes` by its public command. `real` starts kube-apiserver and etcd on loopback, one pair for
each member, when KUBEBUILDER_ASSETS names the folder that holds both (etcd may be on PATH instead); or it uses existing
clusters when ISTHMUS_TEST_KUBECONFIGS names two or more contexts as `FILE:CONTEXT,FILE:CONTEXT` (or `FILE:CONTEXT,CONTEXT`, a
part without a colon being of the file before). In those, only what a test made is deleted. With neither, `real` is skipped.

A test takes the fixture `bed` (session-wide, both sorts) and asks it for members; each test makes namespaces of its own.
"""

import base64
import http.client
import itertools
import json
import os
import shutil
import signal
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.worlds.kubectl import KUBECTL
from tests.worlds.ports import free_port

Object = dict[str, Any]
ADMIN, ALICE = "admin-token", "alice-token"
TOKENS = f'{ADMIN},admin,1,"system:masters"\n{ALICE},alice,2,"devs"\n'
CRDS = Path(__file__).parents[2] / "federation/crds"
SERVICE_RANGE = "10.96.0.0/16"
START_SECONDS = 60
NOT_TESTED = (
    "NOT TESTED against a real API server: set KUBEBUILDER_ASSETS (kube-apiserver and etcd) or ISTHMUS_TEST_KUBECONFIGS"
)
MERGE, JSON_PATCH = "application/merge-patch+json", "application/json-patch+json"
STRATEGIC, APPLY = "application/strategic-merge-patch+json", "application/apply-patch+yaml"


@dataclass(frozen=True)
class Answer:
    """What a request came to: status code, headers and the JSON body (text under "text" when it is none)."""

    code: int
    headers: Any
    value: Object

    @property
    def version(self) -> str:
        """The resourceVersion of the object or list."""
        return str(self.value["metadata"]["resourceVersion"])


@dataclass
class Cluster:
    """One API server. `kubeconfig` is a file with one context; `tokens` says whether ALICE and ADMIN are known there."""

    name: str
    url: str
    kubeconfig: Path
    token: str = ""
    ca: Path | None = None
    double: bool = False
    tokens: bool = True
    made: list[str] = field(default_factory=list)
    defined: list[str] = field(default_factory=list)

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        sort: str = "application/json",
        token: str | None = None,
        accept: str = "application/json",
    ) -> Answer:
        """One request, its body given as an object or bytes."""
        connection = self._connected()
        try:
            raw = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
            connection.request(method, path, raw, self._headers(token, accept, sort if raw is not None else None))
            response = connection.getresponse()
            text = response.read()
        finally:
            connection.close()
        try:
            value = json.loads(text)
        except ValueError:
            value = {"text": text.decode()}
        return Answer(response.status, response.headers, value)

    def ok(self, method: str, path: str, body: Any = None, sort: str = "application/json") -> Object:
        """The object that a request gives, which must succeed."""
        answer = self.call(method, path, body, sort)
        assert answer.code < 300, answer
        return answer.value

    @contextmanager
    def watching(self, path: str, seconds: float = 10, token: str | None = None) -> Iterator[Iterator[Object]]:
        """The events of a watch as they come; a read that waits longer than `seconds` fails."""
        connection = self._connected(seconds)
        try:
            connection.request("GET", path, headers=self._headers(token, "application/json", None))
            response = connection.getresponse()
            if response.status != 200:
                raise AssertionError((response.status, response.read()))
            yield (json.loads(line) for line in iter(response.readline, b""))
        finally:
            connection.close()

    def namespace(self) -> str:
        """A new namespace."""
        name = f"t{os.getpid()}-{next(_NUMBERS)}"
        self.ok("POST", "/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        self.made.append(name)
        return name

    def kubectl(self, *arguments: str, given: str = "", fails: bool = False) -> str:
        """What kubectl prints; its errors too when it is meant to fail."""
        command = [
            KUBECTL,
            f"--kubeconfig={self.kubeconfig}",
            f"--cache-dir={self.kubeconfig.parent}/cache",
            *arguments,
        ]
        done = subprocess.run(command, input=given, capture_output=True, text=True, timeout=60)
        assert (done.returncode != 0) == fails, (arguments, done.stdout, done.stderr)
        return done.stdout + (done.stderr if fails else "")

    def faults(self, **said: Any) -> None:
        """Put faults in force at the double, in place of all before."""
        assert self.double
        self.ok("PUT", "/_faults", said)

    def act(self, **said: bool) -> Object:
        """Let something happen at the double once: cut, compact, bookmark."""
        assert self.double
        return self.ok("POST", "/_faults", said)

    def _connected(self, seconds: float = 30) -> http.client.HTTPConnection:
        at = urllib.parse.urlsplit(self.url)
        if at.scheme == "http":
            return http.client.HTTPConnection(at.hostname or "", at.port, timeout=seconds)
        context = ssl.create_default_context(cafile=str(self.ca))
        return http.client.HTTPSConnection(at.hostname or "", at.port, timeout=seconds, context=context)

    def _headers(self, token: str | None, accept: str, sort: str | None) -> dict[str, str]:
        said = self.token if token is None else token
        found = {"Accept": accept, "User-Agent": "suite/1"} | ({"Authorization": f"Bearer {said}"} if said else {})
        return found | ({"Content-Type": sort} if sort else {})


_NUMBERS = itertools.count(1)


class Bed:
    """Members of one sort, started when they are first asked for. `folder` is its own and removed with it. Of contexts
    that are named it takes those after the first `before`.
    """

    def __init__(self, sort: str, folder: Path, before: int = 0) -> None:
        self.sort, self.folder, self.before = sort, folder, before
        self.clusters: list[Cluster] = []
        self.processes: list[subprocess.Popen[bytes]] = []

    def members(self, count: int) -> list[Cluster]:
        """So many members with our CustomResourceDefinitions; skips the test where there are not so many."""
        while len(self.clusters) < count:
            index = len(self.clusters)
            folder = self.folder / f"member{index}"
            folder.mkdir(exist_ok=True)
            cluster = self._double(folder) if self.sort == "double" else self._real(folder, index)
            self.clusters.append(cluster)
            define(cluster)
        return self.clusters[:count]

    @property
    def one(self) -> Cluster:
        """The first member."""
        return self.members(1)[0]

    def _double(self, folder: Path) -> Cluster:
        (folder / "tokens.csv").write_text(TOKENS)
        config = folder / "kubeconfig"
        program = Path(sys.executable).parent / "isthmus"
        command = [str(program), "lab", "kubernetes", "--tls", "--service-range", SERVICE_RANGE]
        self._spawn(folder, [*command, "--kubeconfig-out", str(config), "--token-file", str(folder / "tokens.csv")])
        _await(lambda: config.exists() and config.read_text().endswith("}\n"), folder)
        said = json.loads(config.read_text())["clusters"][0]["cluster"]
        ca = folder / "ca.pem"
        ca.write_bytes(base64.b64decode(said["certificate-authority-data"]))
        return Cluster(folder.name, said["server"], config, ADMIN, ca, double=True)

    def _real(self, folder: Path, index: int) -> Cluster:
        if contexts := named_contexts():
            wanted = index + self.before
            if wanted >= len(contexts):
                pytest.skip(f"ISTHMUS_TEST_KUBECONFIGS names {len(contexts)} contexts: this test needs {wanted + 1}")
            return self._existing(folder, *contexts[wanted])
        if not os.environ.get("KUBEBUILDER_ASSETS"):
            pytest.skip(NOT_TESTED)
        return self._started(folder, Path(os.environ["KUBEBUILDER_ASSETS"]))

    def _existing(self, folder: Path, source: str, context: str) -> Cluster:
        kubectl = [KUBECTL, f"--kubeconfig={source}", f"--context={context}"]
        config = folder / "kubeconfig"
        view = [*kubectl, "config", "view", "--minify", "--flatten", "--raw"]
        config.write_text(subprocess.run(view, check=True, capture_output=True, text=True).stdout)
        port = free_port()
        self._spawn(folder, [*kubectl, "proxy", f"--port={port}", "--accept-hosts=.*", "--reject-paths=^$"])
        cluster = Cluster(context, f"http://127.0.0.1:{port}", config, tokens=False)
        _await(lambda: _ready(cluster), folder)
        return cluster

    def _started(self, folder: Path, assets: Path) -> Cluster:
        secure = free_port()
        etcd = str(assets / "etcd") if (assets / "etcd").exists() else shutil.which("etcd") or "etcd"
        (folder / "tokens.csv").write_text(TOKENS)
        make_key = ["openssl", "genrsa", "-out", str(folder / "sa.key"), "2048"]
        subprocess.run(make_key, check=True, capture_output=True)
        show_key = ["openssl", "rsa", "-in", str(folder / "sa.key"), "-pubout", "-out", str(folder / "sa.pub")]
        subprocess.run(show_key, check=True, capture_output=True)
        store = f"http://127.0.0.1:{free_port()}"
        listen = [f"--listen-client-urls={store}", f"--advertise-client-urls={store}"]
        self._spawn(folder, [etcd, f"--data-dir={folder}/etcd", *listen, "--listen-peer-urls=http://127.0.0.1:0"])
        issuer = "--service-account-issuer=https://kubernetes.default.svc"
        keys = [f"--service-account-signing-key-file={folder}/sa.key", f"--service-account-key-file={folder}/sa.pub"]
        access = ["--authorization-mode=RBAC", f"--token-auth-file={folder}/tokens.csv"]
        place = ["--bind-address=127.0.0.1", f"--secure-port={secure}", f"--cert-dir={folder}/certs"]
        rest = [f"--service-cluster-ip-range={SERVICE_RANGE}", "--disable-admission-plugins=ServiceAccount"]
        server = [str(assets / "kube-apiserver"), f"--etcd-servers={store}"]
        self._spawn(folder, [*server, issuer, *keys, *access, *place, *rest])
        ca = folder / "certs/apiserver.crt"
        _await(ca.exists, folder)
        config = folder / "kubeconfig"
        config.write_text(_kubeconfig(f"https://127.0.0.1:{secure}", ca))
        cluster = Cluster(folder.name, f"https://127.0.0.1:{secure}", config, ADMIN, ca)
        _await(lambda: _ready(cluster), folder)
        return cluster

    def _spawn(self, folder: Path, command: list[str]) -> None:
        with (folder / f"{Path(command[0]).name}.log").open("wb") as log:
            process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, start_new_session=True)
        self.processes.append(process)

    def end(self) -> None:
        """Delete the namespaces and definitions that tests made in clusters that stay, and end what was started, last first."""
        for cluster in self.clusters:
            if not cluster.tokens:
                for path in [*(f"/api/v1/namespaces/{name}" for name in cluster.made), *cluster.defined]:
                    cluster.call("DELETE", path)
        for process in reversed(self.processes):
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def named_contexts() -> list[tuple[str, str]]:
    """(file, context) of each part of ISTHMUS_TEST_KUBECONFIGS."""
    found: list[tuple[str, str]] = []
    for part in filter(None, os.environ.get("ISTHMUS_TEST_KUBECONFIGS", "").split(",")):
        source, colon, context = part.partition(":")
        found.append((source, context) if colon else (found[-1][0], source))
    return found


def define(cluster: Cluster) -> None:
    """Apply every CustomResourceDefinition of federation/crds and wait until it is served."""
    for path in sorted(CRDS.glob("*.yaml")):
        for crd in filter(None, yaml.safe_load_all(path.read_text())):
            establish(cluster, crd)


def establish(cluster: Cluster, crd: Object) -> None:
    """Apply one CustomResourceDefinition and wait until each of its served versions can be listed."""
    base = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{crd['metadata']['name']}"
    if cluster.call("GET", base).code == 404:
        cluster.defined.append(base)
    cluster.ok("PATCH", f"{base}?fieldManager=bed&force=true", crd, APPLY)
    spec = crd["spec"]
    paths = [
        f"/apis/{spec['group']}/{one['name']}/{spec['names']['plural']}" for one in spec["versions"] if one["served"]
    ]
    _await(lambda: all(cluster.call("GET", path).code == 200 for path in paths), cluster.kubeconfig.parent)


def _kubeconfig(url: str, ca: Path) -> str:
    said = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "real",
        "clusters": [{"name": "real", "cluster": {"server": url, "certificate-authority": str(ca)}}],
        "users": [{"name": "real", "user": {"token": ADMIN}}],
        "contexts": [{"name": "real", "context": {"cluster": "real", "user": "real"}}],
    }
    return json.dumps(said)


def _ready(cluster: Cluster) -> bool:
    """Ready, with the namespaces that every cluster has."""
    try:
        ready = cluster.call("GET", "/readyz").code == 200
        return ready and cluster.call("GET", "/api/v1/namespaces/default").code == 200
    except OSError:
        return False


def _await(condition: Any, folder: Path) -> None:
    end = time.monotonic() + START_SECONDS
    while not condition():
        if time.monotonic() > end:
            logs = "\n".join(f"{path.name}: {path.read_text()[-1500:]}" for path in folder.glob("*.log"))
            raise AssertionError(f"not there after {START_SECONDS} s\n{logs}")
        time.sleep(0.05)


@contextmanager
def made(sort: str, before: int = 0) -> Iterator[Bed]:
    """A bed, ended with the block."""
    folder = Path(tempfile.mkdtemp(prefix="isthmus-bed-"))
    found = Bed(sort, folder, before)
    try:
        yield found
    finally:
        found.end()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session", params=["double", "real"])
def bed(request: pytest.FixtureRequest) -> Iterator[Bed]:
    """Both sorts of beds, one after the other; import it in a conftest.py to have it."""
    with made(request.param) as found:
        yield found


@pytest.fixture(scope="module")
def alone(bed: Bed) -> Iterator[Bed]:
    """Another bed of the same sort: controllers of two federations over one API server undo each other's work."""
    with made(bed.sort, before=2) as found:
        yield found


@pytest.fixture
def api(bed: Bed) -> Cluster:
    """The first member of a bed."""
    return bed.one
