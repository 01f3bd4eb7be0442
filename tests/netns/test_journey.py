"""The whole journey over real parts: what `make demo` shows, held as a test."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ISTHMUS = str(Path(sys.executable).with_name("isthmus"))
STEPS = [
    "lab",
    "link",
    "name",
    "across",
    "new endpoint",
    "access",
    "local first",
    "unready",
    "explain",
    "from disk",
    "down",
]

pytestmark = pytest.mark.netns


@pytest.fixture
def folder() -> Iterator[Path]:
    """A lab folder of its own, taken down whatever happens. Short: unix socket paths hold 107 bytes."""
    with tempfile.TemporaryDirectory(prefix="ist") as directory:
        path = Path(directory) / "lab"
        yield path
        subprocess.run([ISTHMUS, "lab", "down", "--dir", str(path)], timeout=60, check=False, capture_output=True)


def left_of(folder: Path) -> list[str]:
    """Processes that name the folder, and namespaces that name its lab."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = entry.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(folder) in command and int(entry.parent.name) != os.getpid():
            found.append(command)
    return found


def test_a_request_leaves_one_member_and_is_answered_in_another(folder: Path) -> None:
    done = subprocess.run(
        [ISTHMUS, "lab", "run", "--dir", str(folder), "--output", "json"],
        timeout=300,
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    story = json.loads(done.stdout)
    assert [step["name"] for step in story["steps"]] == STEPS
    assert all(step["ok"] for step in story["steps"]), story
    assert left_of(folder) == []


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGKILL])
def test_a_run_that_is_ended_leaves_nothing(folder: Path, ending: signal.Signals) -> None:
    run = subprocess.Popen(
        [ISTHMUS, "lab", "run", "--dir", str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    assert run.stdout is not None
    with run.stdout:
        for line in run.stdout:
            if line.startswith("every program is started"):
                break
        run.send_signal(ending)
        run.stdout.read()
    run.wait(60)
    if ending == signal.SIGKILL:
        down = subprocess.run([ISTHMUS, "lab", "down", "--dir", str(folder)], timeout=60, check=False)
        assert down.returncode == 0
    assert left_of(folder) == []
    assert not folder.exists()
