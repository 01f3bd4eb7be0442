"""The real server against real targets on loopback, one of which turns 503 and back; its controllers are dead."""

import http.server
import json
import subprocess
import threading
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dns.edns
import dns.message
import dns.query
import pytest
from msgspec import Struct

from federation.model.handout import Witness
from federation.model.names import MemberName
from federation.model.policy import Policy, Probe, Ramp
from federation.model.record import Evidence
from tests.netns.spaces import await_true
from tests.worlds.agent_folder import make_folder
from tests.worlds.dns_server import running
from tests.worlds.ports import free_port
from tests.worlds.public_cli import ISTHMUS
from tests.worlds.public_names import PAY, handout, steered, target
from tests.worlds.two_members import real

WEST, EU = "127.0.0.2", "127.0.0.3"


class Target:
    """A public address that answers its health path with `code`, and keeps the Host headers it saw."""

    def __init__(self, address: str, port: int) -> None:
        self.code = 200
        self.hosts: set[str] = set()
        target = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                target.hosts.add(self.headers["Host"])
                self.send_response(target.code if self.path == "/health" else 404)
                self.end_headers()

            def log_message(self, *words: object) -> None:
                """Quiet."""

        self._server = http.server.ThreadingHTTPServer((address, port), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def __enter__(self) -> "Target":
        return self

    def __exit__(self, *gone: object) -> None:
        self._server.shutdown()
        self._server.server_close()


class World:
    """`pay` lives at WEST and EU, and eu-central's record calls us-west's target down all the time."""

    def __init__(self, folder: Path, targets: dict[str, Target]) -> None:
        self.folder, self.targets = folder, targets
        self.ports: tuple[int, ...] = ()
        self.options: tuple[str, ...] = ()

    @contextmanager
    def served(self) -> Iterator[None]:
        """The server runs within the block."""
        with running(self.folder, "--probe-allow", "127.0.0.0/8", *self.options) as self.ports:
            yield

    def shares(self) -> Counter[str]:
        """The answers to 60 client subnets."""
        found: Counter[str] = Counter()
        for n in range(60):
            query = dns.message.make_query(PAY, "A", use_edns=0, options=[dns.edns.ECSOption(f"100.64.{n}.0", 24)])
            response = dns.query.udp(query, "127.0.0.1", port=self.ports[0], timeout=10)
            found[response.answer[0][0].to_text()] += 1
        return found

    def all_get(self, address: str) -> None:
        """Wait until every client is given this address; the name is live, so no answer is ever empty."""
        await_true(f"all get {address}", lambda: self.shares() == {address: 60})

    def metric(self, name: str, member: str) -> float:
        """A target's gauge; -1 while there is none."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.ports[2]}/metrics", timeout=10) as answer:
            lines = answer.read().decode().splitlines()
        start = f'{name}{{host="{PAY}",member="{member}"}} '
        return next((float(line.removeprefix(start)) for line in lines if line.startswith(start)), -1.0)

    def find(self, member: str, up: int) -> None:
        """Wait until the server's probes say so of a member's target."""
        await_true(f"{member} {up}", lambda: self.metric("isthmus_dns_target_up", member) == up)

    def explained(self, member: str) -> dict[str, object]:
        """What `isthmus dns explain` says of the evidence on a member's target."""
        command = [ISTHMUS, "dns", "explain", PAY, "--state", str(self.folder), "--from", "100.64.0.1"]
        done = subprocess.run([*command, "--output", "json"], capture_output=True, text=True, timeout=60, check=True)
        found: list[dict[str, object]] = json.loads(done.stdout)["evidence"]
        return next(one for one in found if one["member"] == member)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    port = free_port()
    probe = Probe(path="/health", port=port, interval_ms=50, timeout_ms=2_000, unhealthy=2, healthy=2)
    policy = Policy(ramp=Ramp(percent=25, seconds=1), probe=probe)
    name = steered(PAY, target("us-west", addresses=(WEST,)), target("eu-central", addresses=(EU,)), policy=policy)
    values: dict[str, Struct] = handout("us-east", name)
    word = Evidence(kind="target", about=MemberName("us-west"), host=PAY, since=5)
    values["witness/eu-central/target/us-west/" + PAY] = Witness(MemberName("eu-central"), word)
    folder = make_folder(tmp_path / "d", real("us-east"), "dns", values, [])
    with Target(WEST, port) as west, Target(EU, port) as eu:
        yield World(folder, {WEST: west, EU: eu})


def test_a_target_that_fails_its_probes_is_left_and_returns_by_the_ramp(world: World) -> None:
    with world.served():
        world.find("us-west", 1)
        assert world.shares() == {WEST: 60}, "another's word alone takes nothing away"
        world.targets[WEST].code = 503
        world.all_get(EU)
        assert world.metric("isthmus_dns_target_up", "us-west") == 0
        assert world.metric("isthmus_dns_target_gone", "us-west") == 1
        west = world.explained("us-west")
        assert (west["probes"], west["others"], west["gone"]) == ("down", 0, True), "a word on disk is old"
        world.targets[WEST].code = 200
        seen = [0]
        while seen[-1] < 60:
            seen.append(world.shares()[WEST])
    assert seen == sorted(seen), "who is back once stays back"
    assert any(0 < count < 60 for count in seen), f"by steps of a quarter: {seen}"
    assert world.targets[WEST].hosts == {PAY}


def test_with_every_target_failing_the_name_is_still_answered(world: World) -> None:
    for one in world.targets.values():
        one.code = 503
    with world.served():
        world.find("eu-central", 0)
        world.find("us-west", 0)
        assert sum(world.shares().values()) == 60


def test_after_a_restart_from_disk_its_own_probes_count_again(world: World) -> None:
    world.targets[WEST].code = 503
    for _ in range(2):
        with world.served():
            world.all_get(EU)
