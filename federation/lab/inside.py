"""Do something in a network namespace without a program of its own: a thread enters it, works and ends."""

import ctypes
import os
import subprocess
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from federation.lab import errors

T = TypeVar("T")

NETNS = Path("/run/netns")
CLONE_NEWNET = 0x40000000


def inside(namespace: str, work: Callable[[], T]) -> T:
    """The result of `work` in a thread in `namespace`: its sockets, /proc/sys/net and children belong to
    it.
    """

    def enter() -> T:
        libc = ctypes.CDLL(None, use_errno=True)
        handle = os.open(NETNS / namespace, os.O_RDONLY | os.O_CLOEXEC)
        try:
            if libc.setns(handle, CLONE_NEWNET) != 0:
                number = ctypes.get_errno()
                raise OSError(number, f"setns {namespace}: {os.strerror(number)}")
        finally:
            os.close(handle)
        return work()

    with ThreadPoolExecutor(1) as thread:  # the thread ends with the block, so nothing else runs in the namespace
        return thread.submit(enter).result()


def command(*argv: str, stdin: str | None = None) -> str:
    """The standard output of a system program; LabError with its first line of complaint."""
    done = subprocess.run(argv, input=stdin, capture_output=True, text=True)
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise errors.command_failed(" ".join(argv), said[0] if said else f"status {done.returncode}")
    return done.stdout


def sysctl(values: Iterable[tuple[str, str]]) -> None:
    """Set kernel parameters, each by its path under /proc/sys; those that the kernel lacks are passed
    over.
    """
    for path, value in values:
        try:
            Path("/proc/sys", path).write_text(value)
        except FileNotFoundError:
            pass


def namespaces(prefix: str) -> list[str]:
    """Names of the network namespaces that begin so."""
    return sorted(path.name for path in NETNS.glob(f"{prefix}*")) if NETNS.is_dir() else []


def pids_in(names: Iterable[str]) -> dict[int, str]:
    """Processes whose network namespace is one of these: pid to name. Our own threads do not count."""
    inodes = {}
    for name in names:
        try:
            inodes[(NETNS / name).stat().st_ino] = name
        except FileNotFoundError:
            continue
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                where = inodes.get((entry / "ns/net").stat().st_ino)
            except OSError:
                continue
            if where is not None:
                found[int(entry.name)] = where
    return found
