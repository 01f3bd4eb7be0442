"""xDS streams: a storm of them, one change to the last acknowledgement, memory, what is sent to who is current.

The server is one process; the clients are two others, thin ones (`tests/worlds/xds_client.py`), so that what they cost is
counted apart. Beside ours the same fan-out by go-control-plane's cache and server, built here where Go is.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from tests.bench import xds_content
from tests.bench.row import Row, rounded

HERE = Path(__file__).resolve().parent
CHANGES = 5
GENERATORS = 2
WHAT = ("storm", "change", "memory", "resent")
UNITS = {"storm": "s", "change": "s", "memory": "KB", "resent": "resources"}
CENTRAL, LOCAL = "xds-central-2000", "xds-local-100"
TARGETS = {
    f"{CENTRAL}-storm": 5.0,
    f"{CENTRAL}-change": 0.5,
    f"{CENTRAL}-memory": 130.0,
    f"{CENTRAL}-resent": 1.0,
    f"{LOCAL}-resent": 1.0,
}
NAMES = tuple(f"{kind}-{what}" for kind in (CENTRAL, LOCAL) for what in WHAT)
RIVAL = "go-control-plane"
SECONDS = 120.0
REST = 2.0
"""Seconds after which what is sent has been sent."""


class Child:
    """A process that answers each line of its stdin with a line of JSON."""

    def __init__(self, *command: str) -> None:
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def say(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def hear(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self._process.args!r} ended with {self._process.wait(10)}")
        found: dict[str, Any] = json.loads(line)
        return found

    def ask(self, line: str) -> dict[str, Any]:
        self.say(line)
        return self.hear()

    def stop(self) -> None:
        self._process.kill()
        self._process.communicate()


@contextmanager
def child(*command: str) -> Iterator[Child]:
    made = Child(*command)
    try:
        yield made
    finally:
        made.stop()


def measure(names: tuple[str, ...]) -> list[Row]:
    """The central port with its rival, and the unix socket."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    rows: list[Row] = []
    for kind, count in ((CENTRAL, 2_000), (LOCAL, 100)):
        if any(name.startswith(kind) for name in names):
            rows += _rows(kind, count)
    return [row for row in rows if row.row in names]


def _rows(kind: str, count: int) -> list[Row]:
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        xds_content.write(folder)
        way = "central" if kind == CENTRAL else "unix"
        ours = _run(folder, count, (sys.executable, str(HERE / "xds_server_child.py"), str(folder), way))
        rival, why = None, "not measured on a unix socket"
        if kind == CENTRAL:
            ours["spent"] += f"; gRPC and TLS alone, with the same answers: {_floor(folder, count):.1f} s"
            rival, why = _rival(folder, count)
    return [_row(kind, what, count, ours, rival, why) for what in WHAT]


def _row(kind: str, what: str, count: int, ours: dict[str, Any], rival: dict[str, Any] | None, why: str) -> Row:
    name = f"{kind}-{what}"
    note = f"{count} delta streams, {xds_content.SERVICES} services of {xds_content.ENDPOINTS} endpoints"
    if what == "storm":
        note += f"; {ours['spent']}; {RIVAL}: {why if rival is None else rival['spent']}"
    beside = (None, None) if rival is None else (RIVAL, rival[what])
    return Row(name, ours[what], UNITS[what], 1, note, TARGETS.get(name), *beside)


def _rival(folder: Path, count: int) -> tuple[dict[str, Any] | None, str]:
    program, why = _build(folder)
    if program is None:
        return None, why
    return _run(folder, count, (str(program), str(folder))), ""


def _build(folder: Path) -> tuple[Path | None, str]:
    """The rival's server, or in one line why there is none."""
    go = shutil.which("go") or shutil.which("go", path="/usr/local/go/bin")
    if go is None:
        return None, "Go is not installed"
    program = folder / "rival"
    environment = {**os.environ, "GOFLAGS": "-mod=mod"}
    built = subprocess.run(
        [go, "build", "-o", str(program), "."],
        cwd=HERE / "xds_rival",
        capture_output=True,
        text=True,
        timeout=600,
        env=environment,
    )
    if built.returncode:
        return None, "go build failed: " + (built.stderr.strip().splitlines() or ["without a word"])[-1]
    return program, ""


def _run(folder: Path, count: int, command: tuple[str, ...]) -> dict[str, Any]:
    """One server through storm, changes and a return of all clients."""
    with ExitStack() as stack:
        server = stack.enter_context(child(*command))
        crowds = _crowds(stack, folder, server.hear()["port"], count)
        before, idle = server.ask("stat"), sum(one["processor"] for one in _all(crowds, "stat"))
        began = time.monotonic()
        storm = max(one["at"] for one in _all(crowds, "connect")) - began
        time.sleep(REST)
        after, busy = server.ask("stat"), sum(one["processor"] for one in _all(crowds, "stat"))
        changes = [_change(server, crowds) for _ in range(CHANGES)]
        _all(crowds, "again")
        _await(server, count)
        time.sleep(REST)
        resent = sum(one["resources"] for one in _all(crowds, "stat"))
    spent = after["processor"] - before["processor"]
    return {
        "storm": rounded(storm),
        "change": rounded(sorted(changes)[CHANGES // 2]),
        "memory": rounded((after["resident"] - before["resident"]) * 1e3 / count),
        "resent": float(resent),
        "spent": f"processor time of the storm {spent:.1f} s, of its clients {busy - idle:.1f} s, load of the machine "
        f"{os.getloadavg()[0]:.0f} on {os.cpu_count()} cores; slowest of {CHANGES} changes {max(changes):.2f} s",
    }


def _floor(folder: Path, count: int) -> float:
    """Processor seconds of a storm at a server that only accepts and sends ready made answers."""
    with ExitStack() as stack:
        server = stack.enter_context(child(sys.executable, str(HERE / "xds_server_child.py"), str(folder), "floor"))
        crowds = _crowds(stack, folder, server.hear()["port"], count)
        before = server.ask("stat")["processor"]
        _all(crowds, "connect")
        time.sleep(REST)
        return float(server.ask("stat")["processor"] - before)


def _crowds(stack: ExitStack, folder: Path, port: int, count: int) -> list[Child]:
    each = [str(HERE / "xds_generator.py"), str(folder), str(port), str(count // GENERATORS)]
    return [stack.enter_context(child(sys.executable, *each)) for _ in range(GENERATORS)]


def _await(server: Child, count: int) -> None:
    """Wait until the former streams are gone and as many new ones there."""
    deadline = time.monotonic() + SECONDS
    while (now := server.ask("stat"))["streams"] != count or not now.get("settled", True):
        if time.monotonic() > deadline:
            raise RuntimeError(f"{now['streams']} of {count} streams came back within {SECONDS:g} s")
        time.sleep(0.2)


def _change(server: Child, crowds: list[Child]) -> float:
    """Seconds from the offer of one endpoint more until the last client acknowledged it."""
    _all(crowds, "expect")
    for crowd in crowds:
        crowd.say("wait")
    told = server.ask("change")
    last = max(crowd.hear()["at"] for crowd in crowds)
    return float(max(told["settled"], last) - told["began"])


def _all(crowds: list[Child], line: str) -> list[dict[str, Any]]:
    for crowd in crowds:
        crowd.say(line)
    return [crowd.hear() for crowd in crowds]
