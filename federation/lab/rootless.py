"""A lab without root: every command is carried out in a user namespace that a small holder process keeps.

There the user is root over network and mount namespaces of their own; /run and /etc are private copies.
"""

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

from federation.lab import errors, process
from federation.lab.state import FILE, HOLDER, Program

COMMANDS = ("up", "down", "run", "status", "set-wan", "cut", "heal", "kill", "start", "exec", "kubectl")
STARTS = ("up", "run")
PASSED_ON = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
UNSHARE = ["unshare", "--user", "--map-root-user", "--net", "--mount"]
PRELUDE = """\
mount -t tmpfs tmpfs /run && mkdir /run/netns /run/etc || exit 1
cp -a /etc/. /run/etc/ 2>/dev/null
mount --bind /run/etc /etc && ip link set lo up && echo held && exec sleep infinity
"""


def relay(directory: Path, arguments: list[str]) -> int | None:
    """Carry out `isthmus lab` with these arguments in the holder's namespaces; its exit status.

    None when there is no holder and the command needs none. LabError when this user may not make user namespaces.
    """
    directory = directory.absolute()
    held = holder(directory)
    if held is None:
        if arguments[0] not in STARTS:
            return None
        held = hold(directory)
    line = [
        "nsenter",
        "-t",
        str(held.pid),
        "--user",
        "--net",
        "--mount",
        "--preserve-credentials",
        f"--wd={Path.cwd()}",
    ]
    inner = {**os.environ, "ISTHMUS_LAB_DIR": str(directory)}
    child = subprocess.Popen([*line, *process.own(*arguments)], env=inner, start_new_session=True)
    before = {n: signal.signal(n, lambda number, _: child.send_signal(number)) for n in PASSED_ON}
    try:
        status = child.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        release(directory, held)
    return status if status >= 0 else 128 - status


def holder(directory: Path) -> Program | None:
    """The process that keeps the namespaces of the lab in `directory`, if it still runs."""
    try:
        found = Program(**json.loads((directory / HOLDER).read_text()))
    except (FileNotFoundError, NotADirectoryError):
        return None
    return found if process.alive(found) else None


def hold(directory: Path) -> Program:
    """Start a holder; LabError when the kernel refuses user namespaces, or the folder is another user's."""
    if shutil.which(UNSHARE[0]) is None:
        raise errors.missing_program(UNSHARE[0], "util-linux")
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    if directory.stat().st_uid != os.geteuid():
        raise errors.foreign_folder(str(directory))
    child = subprocess.Popen(
        [*UNSHARE, "sh", "-c", PRELUDE],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    assert child.stdout is not None
    with child.stdout as said:
        held_up = said.readline() == b"held\n"
    if not held_up:
        child.kill()
        child.wait()
        _forget(directory)
        raise errors.not_root()
    process.adopt(child)
    held = Program(child.pid, process.start_ticks(child.pid) or 0, UNSHARE, "")
    (directory / HOLDER).write_text(
        json.dumps({"pid": held.pid, "start": held.start, "argv": UNSHARE, "namespace": ""})
    )
    return held


def release(directory: Path, held: Program) -> None:
    """End the holder when its lab is gone."""
    if not (directory / FILE).exists():
        process.kill(held)
        deadline = time.monotonic() + process.KILL_SECONDS
        while process.alive(held) and time.monotonic() < deadline:
            time.sleep(process.POLL_SECONDS)
        process.reap()
        _forget(directory)


def _forget(directory: Path) -> None:
    (directory / HOLDER).unlink(missing_ok=True)
    try:
        directory.rmdir()
    except OSError:  # logs are kept
        pass


def named_directory(arguments: list[str], default: Path) -> Path:
    """The folder that --dir names among the arguments, else the default."""
    for i, word in enumerate(arguments):
        if word == "--dir" and i + 1 < len(arguments):
            return Path(arguments[i + 1])
        if word.startswith("--dir="):
            return Path(word.removeprefix("--dir="))
    return default
