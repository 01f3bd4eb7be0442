"""The real server with several probes of one target, a program of its operator, and targets that it must not probe."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from federation.model.policy import Policy, Probe
from tests.netns.spaces import await_true
from tests.unit.gslb.test_failover import EU, WEST, Target
from tests.worlds.agent_folder import make_folder
from tests.worlds.dns_server import running
from tests.worlds.ports import free_port
from tests.worlds.public_cli import ISTHMUS
from tests.worlds.public_names import PAY, handout, steered, target
from tests.worlds.two_members import real

ALLOWED = ("--probe-allow", "127.0.0.0/8")


def folder(tmp_path: Path, probe: Probe) -> Path:
    """A server's folder: `pay` lives at WEST and EU."""
    targets = target("us-west", addresses=(WEST,)), target("eu-central", addresses=(EU,))
    values = handout("us-east", steered(PAY, *targets, policy=Policy(probe=probe)))
    return make_folder(tmp_path / "d", real("us-east"), "dns", values, [])


def explained(state: Path, *options: str) -> str:
    command = [ISTHMUS, "dns", "explain", "--state", str(state), PAY, "--from", "100.64.0.1", *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout


def evidence(state: Path, member: str) -> dict[str, Any]:
    """What is held of a member's target."""
    found: list[dict[str, Any]] = json.loads(explained(state, "--output", "json"))["evidence"]
    return next((one for one in found if one["member"] == member), {})


@pytest.fixture
def port() -> Iterator[int]:
    """Both targets answer there."""
    number = free_port()
    with Target(WEST, number), Target(EU, number):
        yield number


def test_each_of_several_probes_has_its_say(tmp_path: Path, port: int) -> None:
    program = tmp_path / "probe"
    program.write_text(f'#!/bin/sh\ntest "$1" = {PAY} && test ! -e {tmp_path}/$2\n')
    program.chmod(0o700)
    quick = {"interval_ms": 100, "timeout_ms": 5_000, "unhealthy": 2}
    parts = Probe(kind="http", path="/health", port=port, **quick), Probe(kind="exec", command="own", **quick)  # type: ignore[arg-type]
    state = folder(tmp_path, Probe(parts=parts))
    with running(state, *ALLOWED, "--probe-command", f"own={program}"):
        await_true("both are up", lambda: evidence(state, "us-west").get("probes") == "up")
        words = [f"http port {port} /health", "exec own"]
        assert evidence(state, "us-west")["parts"] == [{"probe": one, "says": "up"} for one in words]
        (tmp_path / WEST).touch()
        await_true("the program says no", lambda: evidence(state, "us-west")["probes"] == "down")
        assert [one["says"] for one in evidence(state, "us-west")["parts"]] == ["up", "down"]
        assert f"(http port {port} /health up, exec own down)" in explained(state)
        assert evidence(state, "eu-central")["probes"] == "up"


def test_a_command_that_nobody_gave_takes_nothing_away_and_is_told(tmp_path: Path) -> None:
    state = folder(tmp_path, Probe(kind="exec", command="own", interval_ms=100, unhealthy=1))
    line = 'E190 probes of 2 targets are not made: command "own" is not known here: give --probe-command own=PROGRAM'
    with running(state, *ALLOWED):
        await_true("it is told", lambda: line in json_lines(state))
        assert evidence(state, "us-west")["probes"] == "unknown"


def test_what_leads_into_our_own_machine_is_not_probed_and_is_told(tmp_path: Path) -> None:
    state = folder(tmp_path, Probe(interval_ms=100, unhealthy=1))
    line = f'name "{PAY}": target {WEST} of us-west is not probed: lies in 127.0.0.0/8, which is never an endpoint'
    with running(state):
        await_true("it is told", lambda: line in json_lines(state))
        assert evidence(state, "us-west") == {}


def json_lines(state: Path) -> str:
    """What the server logged, without the quoting of JSON."""
    return (state / "log").read_text().replace('\\"', '"')
