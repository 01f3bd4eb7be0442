"""A real kube-apiserver with its etcd on loopback, from the programs in KUBEBUILDER_ASSETS; ended by pid."""

import contextlib
import json
import os
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.worlds.kubectl import KUBECTL
from tests.worlds.public_cli import free_port

ASSETS = os.environ.get("KUBEBUILDER_ASSETS", "")
needs_api_server = pytest.mark.skipif(
    not ASSETS, reason="NOT TESTED: KUBEBUILDER_ASSETS names no folder with kube-apiserver and etcd"
)
TOKEN = "admin-token"
START_SECONDS = 60


@dataclass(frozen=True)
class ApiServer:
    """Where it listens, and a kubeconfig of its administrator."""

    port: int
    kubeconfig: Path

    def call(
        self, method: str, path: str, body: Any = None, media: str = "application/json", token: str = TOKEN
    ) -> tuple[int, Any]:
        """Status and decoded answer of one request, as the administrator or by another token."""
        request = urllib.request.Request(
            f"https://127.0.0.1:{self.port}{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {token}", "Content-Type": media},
        )
        tls = ssl._create_unverified_context()
        try:
            with urllib.request.urlopen(request, context=tls, timeout=10) as answer:
                return answer.status, json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.loads(error.read())

    def watch(self, path: str, token: str) -> int:
        """The status with which a watch is answered; it is read to its end."""
        request = urllib.request.Request(
            f"https://127.0.0.1:{self.port}{path}", headers={"Authorization": f"Bearer {token}"}
        )
        with urllib.request.urlopen(request, context=ssl._create_unverified_context(), timeout=10) as answer:
            answer.read()
            return int(answer.status)

    def kubectl(self, *arguments: str, text: str | None = None) -> subprocess.CompletedProcess[str]:
        """`kubectl` as the administrator, with `text` on its standard input."""
        command = [KUBECTL, "--kubeconfig", str(self.kubeconfig), *arguments]
        return subprocess.run(command, input=text, capture_output=True, text=True, timeout=60, check=False)


@contextlib.contextmanager
def api_server(folder: Path) -> Iterator[ApiServer]:
    """One that is ready, with its data in this folder."""
    client, peer, port = free_port(), free_port(), free_port()
    _write_keys(folder)
    etcd = [
        f"{ASSETS}/etcd", "--data-dir", str(folder / "etcd"),
        "--listen-client-urls", f"http://127.0.0.1:{client}", "--advertise-client-urls", f"http://127.0.0.1:{client}",
        "--listen-peer-urls", f"http://127.0.0.1:{peer}", "--unsafe-no-fsync",
    ]  # fmt: skip
    server = [
        f"{ASSETS}/kube-apiserver", f"--etcd-servers=http://127.0.0.1:{client}", f"--cert-dir={folder}",
        f"--secure-port={port}", "--bind-address=127.0.0.1", "--service-cluster-ip-range=10.96.0.0/16",
        "--service-account-issuer=https://kubernetes.default.svc", f"--service-account-key-file={folder}/sa.pub",
        f"--service-account-signing-key-file={folder}/sa.key", "--authorization-mode=RBAC",
        f"--token-auth-file={folder}/tokens.csv", "--disable-admission-plugins=ServiceAccount",
    ]  # fmt: skip
    found = ApiServer(port, _kubeconfig(folder, port))
    with contextlib.ExitStack() as stack:
        for name, command in (("etcd", etcd), ("kube-apiserver", server)):
            log = stack.enter_context((folder / f"{name}.log").open("wb"))
            process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
            stack.callback(_end, process)
        _await_ready(found)
        yield found


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _await_ready(server: ApiServer) -> None:
    """Until the namespace that the API server makes for itself is there."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError, json.JSONDecodeError):
            if server.call("GET", "/api/v1/namespaces/default")[0] == 200:
                return
        time.sleep(0.1)
    raise TimeoutError(f"the API server on port {server.port} is not ready after {START_SECONDS} s")


def _write_keys(folder: Path) -> None:
    subprocess.run(["openssl", "genrsa", "-out", str(folder / "sa.key"), "2048"], check=True, capture_output=True)
    public = ["openssl", "rsa", "-in", str(folder / "sa.key"), "-pubout", "-out", str(folder / "sa.pub")]
    subprocess.run(public, check=True, capture_output=True)
    (folder / "tokens.csv").write_text(f'{TOKEN},admin,1,"system:masters"\n')


def _kubeconfig(folder: Path, port: int) -> Path:
    path = folder / "kubeconfig"
    cluster = {"server": f"https://127.0.0.1:{port}", "insecure-skip-tls-verify": True}
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "test",
        "clusters": [{"name": "test", "cluster": cluster}],
        "users": [{"name": "admin", "user": {"token": TOKEN}}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "admin"}}],
    }
    path.write_text(json.dumps(content))
    return path
