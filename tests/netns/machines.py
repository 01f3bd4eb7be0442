"""Machines as namespaces: their agents, whose controllers are dead, with what these keep; what passes, and what is cut."""

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from msgspec import Struct

from tests.netns.spaces import Programs, Space
from tests.worlds.agent_folder import keep_handout
from tests.worlds.two_members import MemberKeys

RIGHTS = ("setpriv", "--inh-caps=-all", "--bounding-set=-all,+net_admin,+net_raw,+sys_ptrace,+dac_read_search", "--")
"""Agents have no more than `deploy/` leaves them."""

EVERYWHERE = ("input", "output", "forward")


class Machines:
    """By name; an agent's folder is `root` and its name."""

    def __init__(self, names: Iterable[str]) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="ist-"))
        self.spaces = {name: Space(name) for name in names}
        self.programs = Programs(self.root)
        self.started: dict[str, subprocess.Popen[bytes]] = {}

    def run_agent(self, name: str, machine: str, *options: str) -> None:
        isthmus = str(Path(sys.executable).with_name("isthmus"))
        command = (isthmus, "agent", "run", "--state", str(self.root / name), *options)
        self.started[name] = self.programs.start(self.spaces[machine], name, *RIGHTS, *command)

    def stop_and_keep(self, name: str, own: MemberKeys, handout: Mapping[str, Struct], revision: int) -> None:
        """An agent is stopped, which leaves the data path, and will find this handout."""
        assert self.programs.stop(self.started[name]) == 0
        keep_handout(self.root / name, own, dict(handout), revision)

    def echoed(self, name: str, address: str, seconds: str = "1") -> bool:
        """An echo gets from a machine to this overlay address (`ADDRESS%DEVICE`: over this device), and back."""
        script = str(Path(__file__).with_name("echo.py"))
        try:
            self.spaces[name].run(sys.executable, script, address, seconds)
        except AssertionError:
            return False
        return True

    def tunnels(self, name: str) -> list[str]:
        """The names of a machine's WireGuard devices."""
        links = json.loads(self.spaces[name].ip("-j", "link", "show"))
        return [link["ifname"] for link in links if link["ifname"].startswith("ist")]

    @contextmanager
    def cut(self, name: str, *what: str, ways: tuple[str, ...] = EVERYWHERE) -> Iterator[None]:
        """What leaves and enters a machine is lost within the block: everything, or packets that match this."""
        space = self.spaces[name]
        space.run("nft", "add", "table", "inet", "cut")
        for way in ways:
            space.run("nft", "add", "chain", "inet", "cut", way, f"{{ type filter hook {way} priority -500; }}")
            rule = what or (("oifname" if way == "output" else "iifname", "!=", "lo"))
            space.run("nft", "add", "rule", "inet", "cut", way, *rule, "drop")
        try:
            yield
        finally:
            space.run("nft", "delete", "table", "inet", "cut")

    def remove(self) -> None:
        self.programs.stop_all()
        for space in self.spaces.values():
            space.remove()
        shutil.rmtree(self.root, ignore_errors=True)
