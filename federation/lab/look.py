"""Look at the lab as a user of it would: from a client pod, through the name, with an ordinary HTTP
client.
"""

import json
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from federation.lab import api, errors, netns, process, programs
from federation.lab.state import Lab

FETCH_SECONDS = "20"
OUTSTANDING_SECONDS = 10
HOST = programs.HOST
URL = f"http://{HOST}:80/"

Answer = dict[str, Any]


class Watch:
    """A client that runs while something is changed; its answers come as they are printed."""

    def __init__(self, child: "subprocess.Popen[str]") -> None:
        self._child = child

    def __iter__(self) -> Iterator[Answer]:
        """Answers until the client ends."""
        assert self._child.stdout is not None
        for line in self._child.stdout:
            yield json.loads(line)


def _started(lab: Lab, member: str, url: str, arguments: tuple[str, ...]) -> "subprocess.Popen[str]":
    line = process.wrapped(netns.client(lab.lab, member), process.own("client", url, *arguments))
    with lab.log(f"{member}-client").open("ab") as log:
        return subprocess.Popen(
            line,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            start_new_session=True,
            env=process.environment(),
        )


@contextmanager
def watching(lab: Lab, member: str, *arguments: str, url: str = URL) -> Iterator[Watch]:
    """A client in the member's client pod during the block; ended with it."""
    child = _started(lab, member, url, arguments)
    try:
        yield Watch(child)
    finally:
        child.kill()
        child.communicate()


@contextmanager
def recording(lab: Lab, member: str, *arguments: str, url: str = URL) -> Iterator[list[Answer]]:
    """A client in an open loop during the block, in the member's client pod. The list grows as requests end; what was
    outstanding at the end of the block is waited for and is in it.
    """
    child = _started(lab, member, url, ("--open", "--count", "0", *arguments))
    answers: list[Answer] = []
    reader = threading.Thread(target=lambda: answers.extend(Watch(child)))
    reader.start()
    try:
        yield answers
    finally:
        child.terminate()
        try:
            child.wait(OUTSTANDING_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
        reader.join()
        child.communicate()


def fetch(lab: Lab, member: str, count: int, *arguments: str, url: str = URL) -> list[Answer]:
    """The answers to `count` requests from the member's client pod; fewer when they take too long."""
    with watching(lab, member, "--count", str(count), "--deadline", FETCH_SECONDS, *arguments, url=url) as answers:
        return list(answers)


def until(lab: Lab, member: str, wanted: str, seconds: float) -> None:
    """Ask until an answer comes from the member `wanted`; LabError when none does in time."""
    last: Answer = {}
    with watching(lab, member, "--count", "0", "--deadline", str(seconds), "--rate", "50", "--timeout", "2") as answers:
        for last in answers:
            if last["member"] == wanted:
                return
    raise errors.not_ready(seconds, f"no answer from {wanted} at {member}'s client (last: {told(last)})")


def resolve(lab: Lab, member: str) -> list[str]:
    """The addresses of the name, as glibc in the member's client pod finds them; LabError when it finds
    none.
    """
    line = process.wrapped(netns.client(lab.lab, member), ["getent", "ahostsv4", HOST])
    done = subprocess.run(line, capture_output=True, text=True, timeout=30)
    found = sorted({row.split()[0] for row in done.stdout.splitlines() if row.strip()})
    if not found:
        raise errors.command_failed(f"getent ahostsv4 {HOST}", done.stderr.strip() or "the name has no address")
    return found


def told(answer: Answer) -> str:
    """One answer in a few words."""
    if not answer:
        return "none at all"
    return f"{answer['status']} {answer['endpoint']}" if answer["status"] else str(answer["error"])


def api_socket(lab: Lab, member: str) -> Path:
    """A controller's API."""
    return lab.member(member) / "state" / "api.sock"


def status(lab: Lab, member: str) -> Answer:
    """A member's /v1/status; OSError or ValueError when it has none."""
    return api.get(api_socket(lab, member), "/v1/status")


def explain(lab: Lab, member: str, service: str) -> dict[str, int]:
    """The shares in ppm by member that this member's controller states for its own clients."""
    said = api.get(api_socket(lab, member), "/v1/explain", of=service, **{"from": member})
    return {str(row["member"]): int(row["ppm"]) for row in said["shares"] if int(row["ppm"])}


def carried(lab: Lab, member: str, peer: str) -> tuple[int, int]:
    """Bytes (received, sent) on the member's WireGuard links with a peer."""
    links = [row for row in status(lab, member).get("links", []) if row["member"] == peer]
    return sum(int(row["rx"]) for row in links), sum(int(row["tx"]) for row in links)
