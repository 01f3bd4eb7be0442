"""Controllers of one member over one API server, each a process of its own with its signer."""

import json
import shutil
import signal
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from federation.adapters.kube.lease import LISTEN, NAME
from federation.adapters.kube.shards import SHARDS, name_of, read_secret
from federation.config import Folder
from tests.netns.spaces import await_true
from tests.worlds.clusters import Cluster
from tests.worlds.ports import free_port
from tests.worlds.public_cli import ISTHMUS, Site

UP = "controller is up"


class Replica:
    """One controller of us-east: a copy of its state folder, an address and a signer of its own."""

    def __init__(self, site: Site, kubeconfig: Path, name: str, namespace: str) -> None:
        self.site, self.name, self.namespace = site, name, namespace
        self.kubeconfig = kubeconfig
        self.folder = Folder(site.path / name / "state")
        shutil.copytree(site.folder("us-east").path, self.folder.path)
        self.listen, self.health = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
        site.launch(f"{name}-signer", "signer", "--state", str(self.folder.path))
        await_true("the signer's socket", self.folder.signer.exists)
        self.start()

    def start(self) -> None:
        where = ("--state", str(self.folder.path), "--listen", self.listen, "--health", self.health)
        store = ("--store", "kubernetes", "--namespace", self.namespace)
        self.site.launch(self.name, "controller", *where, "--kubeconfig", str(self.kubeconfig), *store)
        self.process: subprocess.Popen[bytes] = self.site._started[-1]

    def said(self, message: str) -> list[dict[str, Any]]:
        """The lines of its log with this message."""
        return [line for line in self.site.log(self.name) if line["message"] == message]

    def status(self) -> Any:
        """GET /v1/status as `isthmus status` asks it; {} while the socket is being changed over."""
        done = subprocess.run(
            [ISTHMUS, "status", "--api", str(self.folder.api), "--output", "json"],
            capture_output=True,
            text=True,
            timeout=60,
        )
        return json.loads(done.stdout) if done.returncode == 0 else {}

    def role(self) -> str:
        """What it says that it is."""
        return str(self.status().get("replica", {}).get("role", ""))

    def ready(self) -> str:
        """What /readyz says."""
        try:
            with urllib.request.urlopen(f"http://{self.health}/readyz", timeout=5) as answer:
                return str(answer.read().decode().strip())
        except urllib.error.HTTPError as error:
            return error.read().decode().strip()
        except OSError as error:
            return str(error)

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def kill(self) -> None:
        """Without a word."""
        self.process.kill()
        self.process.wait()

    def await_lead(self, seconds: float, times: int = 1) -> None:
        """Wait until it has come to lead so often; AssertionError with the last of its log."""
        try:
            await_true(f"{self.name} leads", lambda: len(self.said(UP)) >= times, seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}; {self.site.log(self.name)[-20:]}") from None

    def stop(self) -> None:
        """In order."""
        self.process.terminate()
        assert self.process.wait(15) == 0


class Pair:
    """Two of them, over this cluster."""

    def __init__(self, site: Site, cluster: Cluster, namespace: str) -> None:
        self.site, self.cluster, self.namespace = site, cluster, namespace
        self.first = Replica(site, cluster.kubeconfig, "first", namespace)
        self.first.await_lead(30)
        self.second = Replica(site, cluster.kubeconfig, "second", namespace)
        await_true("the second follows", lambda: self.second.role() == "standby", 30)

    def lease(self) -> Any:
        """The Lease as it is."""
        return self.cluster.ok("GET", f"/apis/coordination.k8s.io/v1/namespaces/{self.namespace}/leases/{NAME}")

    def leads(self, replica: Replica) -> bool:
        """By the Lease."""
        return bool(self.lease()["metadata"]["annotations"][LISTEN] == replica.listen)

    def stored(self) -> dict[str, bytes]:
        """What the Secrets hold."""
        found: dict[str, bytes] = {}
        member = self.member
        for number in range(SHARDS):
            path = f"/api/v1/namespaces/{self.namespace}/secrets/{name_of(number)}"
            raw = json.dumps(self.cluster.ok("GET", path)).encode()
            found |= read_secret("", member, raw).content
        return found

    def secrets(self) -> list[Any]:
        """The Secrets as they are, versions and all."""
        path = f"/api/v1/namespaces/{self.namespace}/secrets"
        return [self.cluster.ok("GET", f"{path}/{name_of(number)}") for number in range(SHARDS)]

    @property
    def member(self) -> str:
        """As the Secrets name it."""
        own = self.first.folder.own()
        return f"{own.federation}/{own.name}"


@contextmanager
def pair(path: Path, cluster: Cluster) -> Iterator[Pair]:
    """Two controllers of a member of their own, over this cluster; ended with the block."""
    site = Site(path, ("us-east",))
    try:
        site.found()
        yield Pair(site, cluster, cluster.namespace())
    finally:
        for process in site._started:
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
        site.stop()
