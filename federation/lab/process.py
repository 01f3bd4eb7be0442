"""Start, watch and end programs in namespaces; nothing is killed that is not provably ours."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from federation.lab import errors
from federation.lab.errors import LabError
from federation.lab.inside import pids_in
from federation.lab.state import Lab, Program, changing

TERM_SECONDS = 3.0
KILL_SECONDS = 5.0
POLL_SECONDS = 0.02


def isthmus(*arguments: str) -> list[str]:
    """The public command of the installation that runs this code."""
    return [str(Path(sys.executable).with_name("isthmus")), *arguments]


def own(*arguments: str) -> list[str]:
    """A command of the lab itself (`isthmus lab ...`), started without the rest of the command line."""
    return [sys.executable, "-m", "federation.cli.lab", *arguments]


def start_ticks(pid: int) -> int | None:
    """When the kernel started this process, in ticks since boot; None when it is gone or a zombie."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    rest = text.rpartition(")")[2].split()
    return None if rest[0] in "ZX" else int(rest[19])


def alive(program: Program) -> bool:
    """True while that very process runs."""
    return start_ticks(program.pid) == program.start


def wrapped(namespace: str, argv: list[str], private: Path | None = None) -> list[str]:
    """The command line that runs `argv` in a namespace; `private` becomes its /run/wireguard, as on a
    machine of its own.
    """
    enter = ["ip", "netns", "exec", namespace]
    if private is None:
        return [*enter, *argv]
    return [*enter, "sh", "-c", 'mount --bind "$0" /run/wireguard && exec "$@"', str(private), *argv]


def start(lab: Lab, name: str, namespace: str, line: list[str]) -> Program:
    """Start a long-running program in a session of its own with its output in the log; recorded at once.

    `line` comes from wrapped().
    """
    with lab.log(name).open("ab") as log:
        child = subprocess.Popen(
            line,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env=environment(),
        )
    program = Program(child.pid, start_ticks(child.pid) or 0, line, namespace)
    with changing(lab.directory) as state:
        state.programs[name] = program
    lab.programs[name] = program
    adopt(child)
    return program


def adopt(child: "subprocess.Popen[bytes]") -> None:
    """Remember a child that outlives its starter, so that it is reaped if it ends before."""
    _children[child.pid] = child


def reap() -> None:
    """Take note of children that have ended."""
    for child in _children.values():
        child.poll()


_children: dict[int, subprocess.Popen[bytes]] = {}


def environment() -> dict[str, str]:
    """What programs of the lab see: no proxies, unbuffered output."""
    kept = {key: value for key, value in os.environ.items() if not key.lower().endswith("_proxy")}
    return {**kept, "PYTHONUNBUFFERED": "1"}


@dataclass(frozen=True, slots=True)
class Job:
    """A short program: its log's name, its namespace, its command line."""

    name: str
    namespace: str
    argv: list[str]


def run(lab: Lab, jobs: Iterable[Job], seconds: float = 60) -> list[str]:
    """Run short programs side by side; their standard outputs. LabError with the first line of the first
    that fails.
    """
    end = time.monotonic() + seconds
    running: list[tuple[Job, int, subprocess.Popen[bytes]]] = []
    try:
        for job in jobs:
            with lab.log(job.name).open("ab") as complaints:
                line, before = wrapped(job.namespace, job.argv), complaints.tell()
                child = subprocess.Popen(
                    line, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=complaints,
                    start_new_session=True, env=environment(),
                )  # fmt: skip
                running.append((job, before, child))
        return [_finish(lab, *one, max(0.1, end - time.monotonic())) for one in running]
    finally:
        for _, _, child in running:
            child.kill()
            child.communicate()


def _finish(lab: Lab, job: Job, before: int, child: subprocess.Popen[bytes], seconds: float) -> str:
    log = lab.log(job.name)
    try:
        out, _ = child.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        raise errors.not_ready(seconds, f"{job.name} did not end (log: {log})") from None
    if child.returncode != 0:
        said = complaint(log, before) or out.decode(errors="replace").strip()
        raise errors.program_ended(job.name, child.returncode, said, str(log))
    return out.decode()


def complaint(log: Path, begin: int = 0) -> str:
    """The line of a log that says best why its program ended: the first that speaks of an error, else the
    last.
    """
    try:
        with log.open("rb") as stream:
            stream.seek(begin)
            lines = [text for text in stream.read(1 << 20).decode(errors="replace").splitlines() if text.strip()]
    except FileNotFoundError:
        return ""
    if lines and lines[0].startswith("Traceback"):
        return lines[-1].strip()
    marked = [text for text in lines if _is_error(text)]
    return _message((marked or lines[-1:] or [""])[0]).strip()


KLOG = re.compile(r"[IW]\d{4} ")
"""How the lines of Kubernetes' programs begin that tell or warn."""

MARKS = ("error", "refused", "in use", "cannot", "critical", "fatal", "usage:")


def _is_error(line: str) -> bool:
    said = _structured(line)
    if "level" in said:
        return said["level"] in ("error", "critical")
    return not KLOG.match(line) and any(mark in line.lower() for mark in MARKS)


def _message(line: str) -> str:
    said = _structured(line)
    return str(said["message"]) if "message" in said else line


def _structured(line: str) -> dict[str, object]:
    try:
        said = json.loads(line) if line.startswith("{") else {}
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}


def check(lab: Lab, names: Iterable[str]) -> None:
    """LabError for the first of these programs that no longer runs."""
    for name in names:
        program = lab.programs[name]
        if not alive(program):
            child = _children.get(program.pid)
            status = child.wait() if child is not None else 1
            raise errors.program_ended(name, status, complaint(lab.log(name)), str(lab.log(name)))


def wait_for(lab: Lab, ready: Callable[[], str], seconds: float, needs: Iterable[str] = ()) -> None:
    """Wait until `ready` returns ""; otherwise it names what is missing. LabError when time is up or a
    needed program ends.
    """
    needs = tuple(needs)
    end = time.monotonic() + seconds
    while True:
        missing = ready()
        if not missing:
            return
        check(lab, needs)
        if time.monotonic() > end:
            raise errors.not_ready(seconds, missing)
        time.sleep(POLL_SECONDS)


def there(path: Path) -> str:
    """For wait_for: the file is there; a socket also accepts connections (one of a killed program does
    not).
    """
    if not path.exists():
        return f"{path} does not exist"
    if not path.is_socket():
        return ""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        try:
            connection.connect(str(path))
        except OSError as error:
            return f"{path} does not answer ({error.strerror})"
    return ""


def end(programs: Iterable[Program], namespaces: Iterable[str]) -> None:
    """End these programs with their groups and whatever else runs in the namespaces: SIGTERM, a bounded
    wait, SIGKILL.
    """
    recorded = list(programs)
    spaces = list(namespaces)
    for number, seconds in ((signal.SIGTERM, TERM_SECONDS), (signal.SIGKILL, KILL_SECONDS)):
        deadline = time.monotonic() + seconds
        _signal(recorded, spaces, number)
        while _left(recorded, spaces):
            if time.monotonic() > deadline:
                break
            if number == signal.SIGKILL:
                _signal(recorded, spaces, number)
            time.sleep(POLL_SECONDS)
        else:
            return
    raise LabError(f"processes {sorted(_left(recorded, spaces))} do not end", "E187")


def end_now(namespaces: Iterable[str]) -> None:
    """SIGKILL to every process in these namespaces; returns when they are gone."""
    spaces = list(namespaces)
    seen: dict[int, int | None] = {}  # one that is ending leaves its namespace a moment before it is gone
    deadline = time.monotonic() + KILL_SECONDS
    while True:
        reap()
        seen |= {pid: start_ticks(pid) for pid in pids_in(spaces)}
        left = sorted(pid for pid, ticks in seen.items() if ticks is not None and start_ticks(pid) == ticks)
        if not left:
            return
        _signal([], spaces, signal.SIGKILL)
        if time.monotonic() > deadline:
            raise errors.not_ready(KILL_SECONDS, f"processes {left} do not end")
        time.sleep(POLL_SECONDS)


def kill(program: Program, number: int = signal.SIGKILL) -> None:
    """Send a signal to one program's group, if it still is that program."""
    if alive(program):
        _send(program.pid, number, group=True)


def _left(programs: list[Program], namespaces: list[str]) -> set[int]:
    reap()
    return {p.pid for p in programs if alive(p)} | {pid for pid in pids_in(namespaces) if start_ticks(pid) is not None}


def _signal(programs: list[Program], namespaces: list[str], number: int) -> None:
    for program in programs:
        kill(program, number)
    for pid in pids_in(namespaces):
        _send(pid, number, group=False)


def _send(pid: int, number: int, group: bool) -> None:
    try:
        if group and os.getpgid(pid) == pid:
            os.killpg(pid, number)
        else:
            os.kill(pid, number)
    except ProcessLookupError:
        pass
