"""A lab whose registrar lets members join over the wire, whose eu-central keeps its state in etcd, and which a fourth
member, a controller and a signer on us-west's machine, joins and leaves.
"""

import asyncio
import json
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from federation.adapters.etcd.client import EtcdClient
from federation.lab import api, manifests, netns, process, programs
from federation.lab.cluster import Folder
from federation.lab.manifests import Listed
from federation.lab.state import load
from federation.lab.topology import LAB, Endpoint
from tests.netns.spaces import await_true, entered
from tests.netns.test_live_lab import ISTHMUS, isthmus, raised
from tests.worlds.etcd import Etcd, etcd
from tests.worlds.etcd_stores import access

FOURTH, HOST = "ap-south", LAB.member("us-west")
JOIN, SYNC = f"{LAB.member('us-east').underlay}:7600", f"{HOST.underlay}:7700"
KEPT = "eu-central"
SERVICE = "south"
POD = Endpoint("ap-south-1", "10.4.1.10", "ap-south-1a", SERVICE)
SECONDS = 60.0

SILENT: dict[str, Any] = {
    "record": {},
    "members": [],
    "former": [],
    "services": [],
    "membership": [],
    "store": {"problems": []},
}


class Federation:
    """The lab, and what runs beside its own programs."""

    def __init__(self, path: Path, stack: ExitStack) -> None:
        self.path, self.lab = path, load(path)
        self._stack = stack
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def machine(self, member: str) -> str:
        """The namespace of this member's machine."""
        return netns.machine(self.lab.lab, HOST.name if member == FOURTH else member)

    def state(self, member: str) -> Path:
        return self.path / member / "state"

    def start(self, name: str, member: str, *words: str) -> None:
        """Run a command of ours on this member's machine until the end, or `stop`."""
        line = process.wrapped(self.machine(member), [ISTHMUS, *words])
        with (self.path / f"{name}.log").open("ab") as log:
            self._running[name] = subprocess.Popen(line, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self._stack.callback(self.stop, name)

    def stop(self, name: str) -> None:
        """End it at once."""
        one = self._running.pop(name, None)
        if one is not None:
            one.kill()
            one.wait()

    def status(self, member: str) -> dict[str, Any]:
        """What `isthmus status` prints of this member; of one that does not answer, or stands by and has not heard of the
        leader yet, nothing is said.
        """
        try:
            return SILENT | api.get(self.state(member) / "api.sock", "/v1/status")
        except (OSError, ValueError):
            return SILENT

    def seen(self, at: str, member: str = FOURTH) -> str:
        """How `member` stands at another: its session, its state when it is none any more, or ""."""
        said = self.status(at)
        here = {row["member"]: str(row["session"]) for row in said["members"]}
        return here.get(member, "") or next((str(r["state"]) for r in said["former"] if r["member"] == member), "")

    def serves(self, at: str, service: str = SERVICE) -> bool:
        """True while this member imports `shop/<service>`."""
        return any(row["service"] == f"shop/{service}" and row.get("shares") for row in self.status(at)["services"])

    def uses(self, at: str, member: str, service: str) -> bool:
        """True while the one has a session with the other, and imports `shop/<service>`."""
        return self.seen(at, member) == "up" and self.serves(at, service)

    def instead(self, member: str, *more: str) -> None:
        """The lab's controller of this member ends; one with these options more serves in its place."""
        said = isthmus("lab", "kill", "--dir", str(self.path), f"{member}-controller")
        assert said.returncode == 0, said.stderr
        self.control(member, *more)

    def control(self, member: str, *more: str) -> None:
        """A controller of ours for a member of the lab; it answers at return."""
        (self.state(member) / "api.sock").unlink(missing_ok=True)
        wanted = programs.controller(self.lab.lab, LAB.member(member), self.path)
        self.start(f"{member}-own", member, *wanted.argv, *more)
        await_true(f"{member} answers", lambda: bool(self.status(member)["members"]), SECONDS)

    def token(self, *more: str) -> str:
        said = isthmus(
            "token", "create", "--state", str(self.state("us-east")), "--name", FOURTH, "--registrar", JOIN, *more
        )
        assert said.returncode == 0, said.stderr
        return said.stdout.strip()

    def join(self, token: str) -> int:
        """The fourth member joins with new keys, from its machine; its number."""
        place = ("--domain", LAB.domain, "--name", FOURTH, "--region", FOURTH, "--az", "a", "--sync", SYNC)
        ranges = ("--reachable", "10.4.0.0/16", "--clusterset", "10.104.0.0/16")
        words = [ISTHMUS, "join", "--state", str(self.state(FOURTH)), "--token", token, *place, *ranges]
        line = process.wrapped(self.machine(FOURTH), words)
        done = subprocess.run(line, capture_output=True, text=True, timeout=SECONDS, check=False)
        assert done.returncode == 0, done.stderr
        return int(json.loads(done.stdout)["number"])

    def run_fourth(self) -> None:
        """Its signer and controller; it offers shop/south."""
        folder, state = self.path / FOURTH / "manifests", self.state(FOURTH)
        manifests.set_endpoints(Folder(folder), [Listed(POD)], SERVICE)
        self.start(f"{FOURTH}-signer", FOURTH, "signer", "--state", str(state))
        await_true("its signer is there", (state / "signer.sock").exists)
        listen = ("--listen", SYNC, "--manifests", str(folder))
        self.start(f"{FOURTH}-controller", FOURTH, "controller", "--state", str(state), *listen)
        await_true("it answers", lambda: bool(self.status(FOURTH)["members"]), SECONDS)

    def end_fourth(self) -> None:
        for program in ("controller", "signer"):
            self.stop(f"{FOURTH}-{program}")


@contextmanager
def founded(etcd_folder: Path) -> Iterator[tuple[Federation, Etcd]]:
    """The lab with the registrar's listener open and eu-central's controller on this etcd, all sessions up."""
    with raised() as path, ExitStack() as stack:
        made = Federation(path, stack)
        with entered(made.machine(KEPT)):
            server = stack.enter_context(etcd(etcd_folder))
        made.instead("us-east", "--join-listen", JOIN)
        made.instead(KEPT, *in_etcd(server))
        for member in ("us-east", "us-west"):
            await_true(f"{member} has {KEPT}", partial(made.uses, member, KEPT, "web"), SECONDS)
        yield made, server


def in_etcd(server: Etcd) -> tuple[str, ...]:
    """The options of a controller that keeps its state there."""
    return ("--store", "etcd", "--etcd-endpoint", server.plain)


def kept(federation: Federation, server: Etcd) -> dict[str, bytes]:
    """What the store has, by key."""

    async def ask() -> dict[bytes, bytes]:
        client = EtcdClient(access(server.plain))
        try:
            return (await client.prefix(b"isthmus/")).values
        finally:
            client.close()

    with entered(federation.machine(KEPT)):
        found = asyncio.run(ask())
    return {key.decode().split("/", 3)[3]: value for key, value in found.items()}
