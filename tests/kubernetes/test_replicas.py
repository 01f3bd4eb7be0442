"""Two controllers of one member in one cluster, as real processes: one leads, the other stands by and takes over."""

import json
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from federation.sync.own import KEPT
from tests.netns.spaces import await_true
from tests.worlds.clusters import Bed
from tests.worlds.replicas import Pair, pair

TAKEOVER = 30.0
"""Seconds; a Lease is free after ten, and five later where the API server could not be read. The bench has the target."""
STOPPED, AWAY = 20.0, 30.0
"""Seconds for which a leader is stopped, and an API server is away."""
MCS = "/apis/multicluster.x-k8s.io/v1beta1/namespaces"


@pytest.fixture
def two(alone: Bed, tmp_path: Path) -> Iterator[Pair]:
    with pair(tmp_path, alone.one) as found:
        yield found


def export(two: Pair, name: str) -> None:
    """A service of this name, exported."""
    meta = {"metadata": {"namespace": two.namespace, "name": name}}
    ports = {"selector": {"app": name}, "ports": [{"name": "http", "port": 80}]}
    service = {"apiVersion": "v1", "kind": "Service", **meta, "spec": ports}
    two.cluster.ok("POST", f"/api/v1/namespaces/{two.namespace}/services", service)
    exported = {"apiVersion": "multicluster.x-k8s.io/v1beta1", "kind": "ServiceExport", **meta}
    two.cluster.ok("POST", f"{MCS}/{two.namespace}/serviceexports", exported)


def imported(two: Pair, name: str) -> Any:
    """The ServiceImport as it is; None where there is none."""
    answer = two.cluster.call("GET", f"{MCS}/{two.namespace}/serviceimports/{name}")
    return answer.value if answer.code == 200 else None


def has_address(two: Pair, name: str) -> bool:
    found = imported(two, name)
    return bool(found and found["spec"].get("ips"))


def identity(found: Any) -> tuple[str, int, Any]:
    """Which object it is, how often its spec was another, and its spec."""
    return found["metadata"]["uid"], found["metadata"]["generation"], found["spec"]


def history(two: Pair, *seen: Any) -> str:
    """What can be known afterwards of how an import and its Service came to be so."""
    services = two.cluster.ok("GET", f"/api/v1/namespaces/{two.namespace}/services")["items"]
    found = [*(one["metadata"] for one in [*seen, *services]), *two.site.log("first"), *two.site.log("second")]
    return "\n".join(map(json.dumps, found))


class Heads:
    """Every head of the record that was durable at some time: content by (epoch, generation)."""

    def __init__(self, two: Pair) -> None:
        self._two = two
        self.seen: dict[tuple[int, int], bytes] = {}

    def look(self) -> None:
        raw = self._two.stored().get(KEPT)
        if raw is not None:
            kept = msgspec.msgpack.decode(raw)
            root = self.seen.setdefault((kept["epoch"], kept["generation"]), kept["root"])
            assert root == kept["root"], "two contents under one generation"


@contextmanager
def paused(bed: Bed) -> Iterator[None]:
    """Its API servers answer nothing meanwhile; what was sent to them is done afterwards."""
    for process in bed.processes:
        process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        for process in bed.processes:
            process.send_signal(signal.SIGCONT)


def test_the_standby_takes_over_from_a_leader_that_was_killed(two: Pair) -> None:
    export(two, "web")
    await_true("the import has an address", lambda: has_address(two, "web"), 30)
    heads, before = Heads(two), imported(two, "web")
    heads.look()
    two.first.kill()
    two.second.await_lead(TAKEOVER)
    export(two, "api")
    await_true("and writes", lambda: has_address(two, "api"), TAKEOVER)
    heads.look()
    after = imported(two, "web")
    assert identity(after) == identity(before), history(two, before, after)
    assert two.second.role() == "leader" and two.second.ready() == "ok"


def test_an_ordinary_stop_hands_over_at_once(two: Pair) -> None:
    began = time.monotonic()
    two.first.stop()
    two.second.await_lead(8)
    assert time.monotonic() - began < 8, "a Lease that is not released takes 10 s to end"
    assert two.leads(two.second)


def test_a_leader_that_was_stopped_and_woken_writes_nothing(two: Pair) -> None:
    export(two, "web")
    await_true("the import has an address", lambda: has_address(two, "web"), 30)
    heads = Heads(two)
    heads.look()
    two.first.signal(signal.SIGSTOP)
    woken = time.monotonic() + STOPPED
    two.second.await_lead(TAKEOVER)
    two.cluster.ok("DELETE", f"{MCS}/{two.namespace}/serviceexports/web")
    export(two, "api")
    await_true("it withdraws the import", lambda: imported(two, "web") is None, 30)
    await_true("it plans another", lambda: has_address(two, "api"), 30)
    heads.look()
    await_true("the time is over", lambda: time.monotonic() >= woken, STOPPED)
    before = (two.secrets(), imported(two, "api"))
    two.first.signal(signal.SIGCONT)
    await_true("the first stops serving", lambda: two.first.said("stopped serving"), 15)
    await_true("it stands by", lambda: two.first.role() == "standby", 15)
    assert (two.secrets(), imported(two, "api")) == before
    assert imported(two, "web") is None
    heads.look()
    two.second.stop()
    two.first.await_lead(TAKEOVER, times=2)
    export(two, "late")
    await_true("and writes", lambda: has_address(two, "late"), 30)
    heads.look()
    assert len(heads.seen) >= 2


def test_an_api_server_that_was_away_changes_nothing(two: Pair, alone: Bed) -> None:
    if not alone.clusters[0].tokens:
        pytest.skip("an API server that is not ours is not stopped")
    export(two, "web")
    await_true("the import has an address", lambda: has_address(two, "web"), 30)
    before, heads = imported(two, "web"), Heads(two)
    heads.look()
    with paused(alone):
        back = time.monotonic() + AWAY
        await_true("the leader says so", lambda: two.first.status().get("store", {}).get("problems"), 60)
        await_true("the time is over", lambda: time.monotonic() >= back, AWAY + 5)
    export(two, "api")
    await_true("it is written on", lambda: has_address(two, "api"), 120)
    heads.look()
    after = imported(two, "web")
    assert identity(after) == identity(before), history(two, before, after)
    assert two.first.process.poll() is None and two.second.process.poll() is None


def test_a_standby_shows_what_its_leader_says(two: Pair) -> None:
    export(two, "web")
    subject = f"{two.namespace}/web"
    await_true("the standby tells of it", lambda: subject in _services(two), 30)
    explained = two.site.cli(
        "explain", subject, "--from", "us-east", "--api", str(two.second.folder.api), "--output", "json"
    )
    assert msgspec.json.decode(explained)["replica"]["role"] == "standby"
    text = two.site.cli("status", "--api", str(two.second.folder.api))
    assert text.startswith("standby") and "its answer is" in text
    renewed = two.lease()["spec"]["renewTime"]
    await_true("the Lease is renewed", lambda: two.lease()["spec"]["renewTime"] != renewed, 30)
    two.first.signal(signal.SIGSTOP)
    answer = two.second.status()
    assert answer["replica"]["problems"] and answer["replica"]["age"] > 0
    assert subject in [one["service"] for one in answer["services"]]


def _services(two: Pair) -> list[str]:
    return [one["service"] for one in two.second.status().get("services", ())]
