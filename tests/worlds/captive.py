"""eu-central of a running lab in the hands of an attacker: its programs are killed, and one of the attacker's own stands on its
machine. The attacker's process sees of the lab's folder only what is eu-central's.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from federation.lab import api, netns, process
from federation.lab.look import Answer
from federation.lab.state import Lab, load
from tests.netns.test_live_lab import isthmus

TAKEN = "eu-central"
PROGRAMS = ("controller", "signer", "gateway-agent", "node-agent", "gateway-envoy", "node-envoy", "dns")
ROOT = Path(__file__).parents[2]
ALONE = 'mount --bind "$0/eu-central" "$1" && mount -t tmpfs none "$0" && cd "$2" && shift 2 && exec "$@"'


class Captive:
    """The attacker on the machine that it has taken."""

    def __init__(self, child: "subprocess.Popen[str]", log: Path) -> None:
        self._child = child
        self._log = log

    def do(self, attack: str, to: str, **what: Any) -> Any:
        """One attack on this member; what it got for an answer."""
        assert self._child.stdin is not None and self._child.stdout is not None
        self._child.stdin.write(json.dumps({"do": attack, "to": to, **what}) + "\n")
        self._child.stdin.flush()
        line = self._child.stdout.readline()
        assert line, f"the attacker's program ended, see {self._log}"
        return json.loads(line)


@contextmanager
def captive(lab: Path, log: Path) -> Iterator[Captive]:
    """Kill eu-central's programs and put the attacker in their place for the block."""
    for program in PROGRAMS:
        done = isthmus("lab", "kill", "--dir", str(lab), f"{TAKEN}-{program}")
        assert done.returncode == 0, done.stderr
    with tempfile.TemporaryDirectory(prefix="taken") as folder, log.open("ab") as said:
        command = ["nice", "-n", "5", sys.executable, "-m", "tests.worlds.turncoat", folder]
        alone = ["sh", "-c", ALONE, str(lab), folder, str(ROOT), *command]
        child = subprocess.Popen(
            process.wrapped(netns.machine(load(lab).lab, TAKEN), alone),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=said,
            text=True,
        )
        try:
            yield Captive(child, log)
        finally:
            child.kill()
            child.communicate()


def seen(lab: Path, member: str) -> dict[str, Any]:
    """This member's status."""
    return api.get(lab / member / "state" / "api.sock", "/v1/status")


def refusals(lab: Path, member: str) -> list[str]:
    """What this member's status says that it refused of eu-central."""
    [row] = [row for row in seen(lab, member)["members"] if row["member"] == TAKEN]
    return list(row["refusals"])


def links(lab: Lab, member: str) -> dict[str, str]:
    """WireGuard's own word on this member's device: allowed ips by the peer's public key."""
    private = lab.member(member) / "wireguard"
    line = process.wrapped(netns.machine(lab.lab, member), ["wg", "show", "all", "allowed-ips"], private)
    told = subprocess.run(line, capture_output=True, text=True, check=True, timeout=20).stdout
    return {row.split("\t")[1]: row.split("\t")[2] for row in told.splitlines()}


def listeners(lab: Lab, member: str) -> list[list[str]]:
    """Every TCP address and port on which something on this member's machine listens."""
    line = process.wrapped(netns.machine(lab.lab, member), ["ss", "-Hltn"])
    told = subprocess.run(line, capture_output=True, text=True, check=True, timeout=20).stdout
    return [row.split()[3].rsplit(":", 1) for row in told.splitlines()]


def percentile(rounds: list[list[Answer]], share: float) -> float:
    """This part of all answers in these rounds came within so many ms."""
    times = sorted(answer["ms"] for answers in rounds for answer in answers)
    return float(times[min(len(times) - 1, int(share * len(times)))])
