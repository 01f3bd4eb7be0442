"""us-east and eu-central founded and run on loopback by the public command line, each process with its own log."""

import asyncio
import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from federation.config import Folder
from tests.netns.spaces import await_true
from tests.worlds.ports import free_port

ISTHMUS = str(Path(sys.executable).with_name("isthmus"))
DOMAIN = "acme.mesh"
NUMBERS = {"us-east": 1, "eu-central": 2, "ap-south": 3}


def open_sockets() -> set[str]:
    """The TCP connections that this process has open (proc(5), /proc/net/tcp)."""
    tcp = {f"socket:[{line.split()[9]}]" for line in Path("/proc/net/tcp").read_text().splitlines()[1:]}
    found = set()
    for fd in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):
            found.add(str(fd.readlink()))
    return found & tcp


async def closed_since(before: set[str]) -> None:
    """Wait until all sockets opened since are closed: TLS takes its leave of programs that ended."""
    async with asyncio.timeout(10):
        while open_sockets() > before:  # noqa: ASYNC110 - what is awaited is a state
            await asyncio.sleep(0.01)


class Site:
    """Members' folders under one path, each with the address where its controller listens; what was started is ended
    by `stop`.
    """

    def __init__(self, path: Path, members: tuple[str, ...] = ("us-east", "eu-central")) -> None:
        self.path = path
        self.members = members
        self.listens = {name: f"127.0.0.1:{free_port()}" for name in members}
        self.sync = dict(self.listens)
        self.join_listen = ""
        self.enrolling: tuple[str, ...] = ()
        self._started: list[subprocess.Popen[bytes]] = []
        self._pids: dict[str, int] = {}

    @property
    def listen(self) -> str:
        """Where the first member's controller listens."""
        return self.listens[self.members[0]]

    def folder(self, member: str) -> Folder:
        """A member's state folder."""
        return Folder(self.path / member / "state")

    def cli(self, *arguments: str) -> str:
        """The output of one public command that succeeds."""
        done = subprocess.run([ISTHMUS, *arguments], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, f"isthmus {' '.join(arguments)}: {done.stdout}{done.stderr}"
        return done.stdout

    def found(self) -> None:
        """init at the first member, then request, admit and accept for the others; `sync` is what the ledger says of
        where they listen.
        """
        first = str(self.folder(self.members[0]).path)
        request, ledger = str(self.path / "request"), str(self.path / "ledger")
        made = json.loads(self.cli("init", "--state", first, *self._place(self.members[0])))
        for name in self.members[1:]:
            state, place = ("--state", str(self.folder(name).path)), self._place(name)
            self.cli("member", "request", *state, "--federation", made["federation"], "--out", request, *place)
            self.cli("member", "admit", "--state", first, "--request", request, "--ledger", ledger)
            self.cli("member", "accept", *state, "--ledger", ledger)

    def run(self, member: str, kubeconfig: Path | None = None) -> None:
        """Start this member's signer, then its controller; both serve at return.

        The controller watches the API server of this kubeconfig, or an empty folder of manifests.
        """
        self.run_signer(member)
        self.run_controller(member, kubeconfig)

    def run_controller(self, member: str, kubeconfig: Path | None = None) -> None:
        """Start this member's controller alone; it serves at return."""
        folder, manifests = self.folder(member), self.path / member / "manifests"
        manifests.mkdir(exist_ok=True)
        folder.api.unlink(missing_ok=True)
        source = ("--kubeconfig", str(kubeconfig)) if kubeconfig else ("--manifests", str(manifests))
        joining = ("--join-listen", self.join_listen) if self.join_listen else ()
        where = ("--state", str(folder.path), "--listen", self.listens[member], *joining, *self.enrolling)
        self.launch(f"{member}-controller", "controller", *where, *source)
        await_true("the controller's socket", folder.api.exists)
        await_true("the cluster is known", lambda: self.status(member)["cluster"]["certainty"] == "fresh")

    def run_signer(self, member: str) -> None:
        """Start this member's signer; it serves at return."""
        folder = self.folder(member)
        self.launch(f"{member}-signer", "signer", "--state", str(folder.path))
        await_true("the signer's socket", folder.signer.exists)

    def status(self, member: str) -> Any:
        """What `isthmus status` says of this member."""
        return json.loads(self.cli("status", "--api", str(self.folder(member).api), "--output", "json"))

    def ledger(self) -> list[dict[str, Any]]:
        """The members by `isthmus member list`."""
        listed = self.cli("member", "list", "--state", str(self.folder("us-east").path))
        return [json.loads(line) for line in listed.splitlines()]

    def explain(self, member: str, service: str) -> Any:
        """What `isthmus explain` says to this member's clients."""
        api = ("--api", str(self.folder(member).api))
        return json.loads(self.cli("explain", service, "--from", member, *api, "--output", "json"))

    def metrics(self, member: str) -> dict[str, float]:
        """GET /metrics on the unix socket: value by name with labels."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(10)
            connection.connect(str(self.folder(member).api))
            connection.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
            with connection.makefile("r") as answer:
                text = answer.read().partition("\n\n")[2]
        rows = (line.rpartition(" ") for line in text.splitlines() if line and not line.startswith("#"))
        return {name: float(value) for name, _, value in rows}

    def log(self, program: str) -> list[dict[str, Any]]:
        """Every line that this program logged."""
        return [json.loads(line) for line in (self.path / f"{program}.log").read_text().splitlines()]

    def pid(self, program: str) -> int:
        """The process that was started last under this name, such as `us-east-controller`."""
        return self._pids[program]

    def kill(self, program: str) -> None:
        """End a program without a word."""
        one = next(process for process in self._started if process.pid == self._pids[program])
        one.kill()
        one.wait()

    def stop(self) -> None:
        """End everything that was started."""
        for process in reversed(self._started):
            process.terminate()
        for process in self._started:
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(5)

    def _place(self, name: str) -> tuple[str, ...]:
        number = NUMBERS[name]
        ranges = ("--reachable", f"10.{number}.0.0/16", "--clusterset", f"10.10{number}.0.0/16")
        return ("--domain", DOMAIN, "--name", name, "--region", name, "--az", "a", *ranges, "--sync", self.sync[name])

    def launch(self, name: str, *arguments: str, inside: tuple[str, ...] = ()) -> None:
        """Start a program by its public command, which `inside` runs; its log is kept under this name."""
        with (self.path / f"{name}.log").open("ab") as log:
            started = subprocess.Popen([*inside, ISTHMUS, *arguments], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self._started.append(started)
        self._pids[name] = started.pid


@contextmanager
def running(path: Path) -> Iterator[Site]:
    """Both members founded, us-east running; everything is ended with the block."""
    site = Site(path)
    try:
        site.found()
        site.run("us-east")
        yield site
    finally:
        site.stop()
