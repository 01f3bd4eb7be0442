"""Two controllers of one member over one etcd, as real processes: one leads; the one that was stopped writes nothing."""

import asyncio
import json
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from federation.adapters.etcd.client import EtcdClient
from tests.netns.spaces import await_true
from tests.worlds.etcd import Etcd, etcd, needs_etcd
from tests.worlds.etcd_stores import access
from tests.worlds.ports import free_port
from tests.worlds.public_cli import Site

pytestmark = needs_etcd
LEASE = 10
STOPPED = 60.0
"""Seconds for which the leader is stopped: a long pause, six leases."""
OTHER = "another controller leads: "


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Etcd]:
    with etcd(tmp_path / "etcd") as one:
        yield one


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path / "site")
    made.path.mkdir()
    try:
        made.found()
        yield made
    finally:
        made.stop()


class Replica:
    """One controller with its signer: a copy of us-east's state folder, its own manifests and port."""

    def __init__(self, site: Site, server: Etcd, name: str) -> None:
        self.site, self.name = site, name
        self.state, self.manifests = site.path / name / "state", site.path / name / "manifests"
        shutil.copytree(site.folder("us-east").path, self.state)
        self.manifests.mkdir()
        site.launch(f"{name}-signer", "signer", "--state", str(self.state))
        await_true("the signer's socket", (self.state / "signer.sock").exists)
        where = ("--state", str(self.state), "--manifests", str(self.manifests), "--listen", f"127.0.0.1:{free_port()}")
        site.launch(name, "controller", *where, "--store", "etcd", "--etcd-endpoint", server.plain)
        self.process = site._started[-1]

    def said(self, message: str) -> list[dict[str, Any]]:
        return [line for line in self.site.log(self.name) if line["message"] == message]

    def export(self, name: str) -> None:
        """A service of this name, to be exported."""
        service = {"apiVersion": "v1", "kind": "Service", "spec": {"ports": [{"name": "http", "port": 80}]}}
        exported = {"apiVersion": "multicluster.x-k8s.io/v1beta1", "kind": "ServiceExport"}
        meta = {"metadata": {"namespace": "shop", "name": name}}
        (self.manifests / f"{name}.yaml").write_text(
            "\n---\n".join(json.dumps(one | meta) for one in (service, exported))
        )


def kept(server: Etcd) -> dict[str, bytes]:
    """What the store has: the last part of each key, and its value."""

    async def ask() -> dict[bytes, bytes]:
        client = EtcdClient(access(server.plain))
        try:
            return (await client.prefix(b"isthmus/")).values
        finally:
            client.close()

    return {key.decode().split("/", 3)[3]: value for key, value in asyncio.run(ask()).items()}


def test_a_leader_stopped_for_a_minute_and_woken_writes_nothing(site: Site, server: Etcd) -> None:
    first = Replica(site, server, "first")
    await_true("the first leads", lambda: first.said("controller is up"))
    first.export("web")
    await_true("an address is written", lambda: "kept/address/shop/web" in kept(server))
    second = Replica(site, server, "second")
    await_true("the second follows", lambda: second.said("store"))
    assert not second.said("controller is up")

    first.process.send_signal(signal.SIGSTOP)
    woken = time.monotonic() + STOPPED
    await_true("the second leads", lambda: second.said("controller is up"), 3 * LEASE)
    second.export("web")
    second.export("api")
    await_true("it writes on", lambda: "kept/address/shop/api" in kept(server))
    first.export("stale")
    await_true("the minute is over", lambda: time.monotonic() >= woken, STOPPED)
    before = kept(server)
    first.process.send_signal(signal.SIGCONT)
    await_true("the first stops serving", lambda: first.said("stopped serving"))
    await_true("it follows", lambda: [one for one in first.said("store") if one["reason"].startswith(OTHER)])
    assert kept(server) == before

    second.process.terminate()
    second.process.wait(10)
    await_true("the first leads again, at once", lambda: len(first.said("controller is up")) == 2, LEASE / 2)
    await_true("and writes what it sees", lambda: "kept/address/shop/stale" in kept(server))
