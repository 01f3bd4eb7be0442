"""Network namespaces and processes for tests: unique names, and everything made is removed by its own name or id."""

import ctypes
import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
CLONE_NEWNET = 0x40000000
DEADLINE = 20.0


def why_not() -> str | None:
    """Why namespaces cannot be used here, or None."""
    if os.geteuid() != 0:
        return "NETNS TESTS SKIPPED: not root"
    if not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        return "NETNS TESTS SKIPPED: no /dev/net/tun"
    return None


def sh(*command: str, check: bool = True) -> str:
    """Run a command; its output. AssertionError with its words when it fails."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert not check or done.returncode == 0, f"{' '.join(command)}: {done.stdout}{done.stderr}"
    return done.stdout


def await_true(what: str, condition: Callable[[], T | None], deadline: float = DEADLINE) -> T:
    """Poll until the condition holds; its value. AssertionError naming `what` after the deadline."""
    until = time.monotonic() + deadline
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < until, f"not within {deadline} s: {what}"
        time.sleep(0.02)


@contextmanager
def entered(space: str) -> Iterator[None]:
    """This thread, and what it starts, is in the namespace of this name within the block."""
    libc = ctypes.CDLL(None, use_errno=True)
    with Path("/proc/thread-self/ns/net").open() as back, Path(f"/run/netns/{space}").open() as there:
        assert libc.setns(there.fileno(), CLONE_NEWNET) == 0, os.strerror(ctypes.get_errno())
        try:
            yield
        finally:
            assert libc.setns(back.fileno(), CLONE_NEWNET) == 0


class Space:
    """One network namespace."""

    def __init__(self, word: str) -> None:
        self.name = f"ist{secrets.token_hex(3)}{word}"
        sh("ip", "netns", "add", self.name)
        self.ip("link", "set", "lo", "up")

    def run(self, *command: str, check: bool = True) -> str:
        return sh("ip", "netns", "exec", self.name, *command, check=check)

    def ip(self, *arguments: str) -> str:
        return sh("ip", "-n", self.name, *arguments)

    def remove(self) -> None:
        """Devices first: a wireguard-go ends when its device goes, and until then keeps the namespace alive."""
        listed = sh("ip", "-n", self.name, "-j", "link", "show", check=False)
        for link in json.loads(listed or "[]"):
            if link["ifname"].startswith("ist"):
                sh("ip", "-n", self.name, "link", "del", link["ifname"], check=False)
        sh("ip", "netns", "del", self.name, check=False)

    @contextmanager
    def entered(self) -> Iterator[None]:
        """This thread is in the namespace within the block."""
        with entered(self.name):
            yield


def join(a: Space, a_address: str, b: Space, b_address: str) -> None:
    """A veth pair between two namespaces; addresses with prefix length."""
    one, two = f"v{secrets.token_hex(4)}a", f"v{secrets.token_hex(4)}b"
    sh("ip", "-n", a.name, "link", "add", one, "type", "veth", "peer", "name", two, "netns", b.name)
    for space, device, address in ((a, one, a_address), (b, two, b_address)):
        space.ip("address", "add", address, "dev", device)
        space.ip("link", "set", device, "up")


class Programs:
    """Processes started for a test."""

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._started: list[subprocess.Popen[bytes]] = []

    def start(self, space: Space, name: str, *command: str) -> subprocess.Popen[bytes]:
        log = (self._logs / f"{name}.log").open("ab")
        process = subprocess.Popen(
            ["ip", "netns", "exec", space.name, *command], stdout=log, stderr=log, stdin=subprocess.DEVNULL
        )
        log.close()
        self._started.append(process)
        return process

    def isthmus(self, space: Space, name: str, *arguments: str) -> subprocess.Popen[bytes]:
        return self.start(space, name, str(Path(sys.executable).with_name("isthmus")), *arguments)

    def stop(self, process: subprocess.Popen[bytes], number: int = signal.SIGTERM) -> int:
        if process.poll() is None:
            process.send_signal(number)
        code = process.wait(10)
        return code

    def stop_all(self) -> None:
        for process in self._started:
            if process.poll() is None:
                process.kill()
            process.wait(10)


def fetch(
    space: Space, url: str, source: str = "", timeout: float = 3.0, header: str = ""
) -> tuple[int, dict[str, str]]:
    """GET from inside a namespace: (status, JSON body); status 0 when nothing answered. `header` is NAME=VALUE."""
    script = f"{Path(__file__).parent}/fetch.py"
    arguments = [url, source, str(timeout), *([header] if header else [])]
    done = subprocess.run(
        ["ip", "netns", "exec", space.name, sys.executable, script, *arguments],
        capture_output=True,
        text=True,
        timeout=30,
    )
    answer = json.loads(done.stdout or "[0, {}]")
    return answer[0], answer[1]
