import json
import subprocess
from pathlib import Path

import pytest

from federation.lab import process, state
from federation.lab.errors import LabError
from federation.lab.state import Program


def test_what_is_changed_is_read_back(tmp_path: Path) -> None:
    lab = state.create(tmp_path / "lab")
    with state.changing(lab.directory) as changed:
        changed.programs["wan"] = Program(7, 8, ["a"], "ist-x")
        changed.state = state.UP
    assert state.load(tmp_path / "lab").programs == {"wan": Program(7, 8, ["a"], "ist-x")}
    assert json.loads((tmp_path / "lab/lab.json").read_text())["state"] == "up"


def test_a_change_that_fails_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    lab = state.create(tmp_path)
    with pytest.raises(RuntimeError), state.changing(lab.directory) as changed:
        changed.state = state.UP
        raise RuntimeError
    assert state.load(tmp_path).state == state.RAISING


def test_one_folder_holds_one_lab(tmp_path: Path) -> None:
    lab = state.create(tmp_path)
    with pytest.raises(LabError) as caught:
        state.create(tmp_path)
    assert str(caught.value) == (
        f'E182 lab "{lab.lab}" is already in {tmp_path}: use it, '
        f"end it with `isthmus lab down --dir {tmp_path}`, or name another folder with --dir"
    )


def test_a_foreign_folder_is_neither_filled_nor_removed(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years")
    with pytest.raises(LabError, match="is not empty and holds no lab"):
        state.create(tmp_path)
    assert [path.name for path in tmp_path.iterdir() if path.name != "lock"] == ["thesis.txt"]


def test_no_lab_is_said_with_the_next_step(tmp_path: Path) -> None:
    with pytest.raises(LabError) as caught:
        state.load(tmp_path / "none")
    assert (
        caught.value.text == f"no lab in {tmp_path / 'none'}: raise one with `isthmus lab up --dir {tmp_path / 'none'}`"
    )


def test_a_recycled_pid_is_another_program() -> None:
    with subprocess.Popen(["sleep", "60"]) as child:
        ticks = process.start_ticks(child.pid)
        assert ticks is not None
        real, recycled = Program(child.pid, ticks, [], ""), Program(child.pid, ticks - 1, [], "")
        assert process.alive(real) and not process.alive(recycled)
        process.kill(recycled)
        assert process.alive(real)
        process.kill(real)
        child.wait(5)
        assert not process.alive(real)


@pytest.mark.parametrize(
    ("log", "line"),
    [
        ("", ""),
        (
            "starting\nisthmus: E122 --listen 10.1.0.1:53: address already in use\n",
            "isthmus: E122 --listen 10.1.0.1:53: address already in use",
        ),
        (
            '{"level": "info", "message": "no error yet"}\n{"level": "error", "message": "port 53 is taken"}\n',
            "port 53 is taken",
        ),
        (
            'Traceback (most recent call last):\n  File "x"\nOSError: [Errno 98] in use\n',
            "OSError: [Errno 98] in use",
        ),
        (
            'W1121 14:30:38 grpc: connection error\nE1121 14:31:50 "command failed" err="no public key"\n',
            'E1121 14:31:50 "command failed" err="no public key"',
        ),
        ("one\ntwo\n", "two"),
    ],
)
def test_the_line_that_tells_why_a_program_ended(tmp_path: Path, log: str, line: str) -> None:
    (tmp_path / "x.log").write_text(log)
    assert process.complaint(tmp_path / "x.log") == line


def test_the_default_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ISTHMUS_LAB_DIR", "/somewhere")
    assert state.default_directory() == Path("/somewhere")
    monkeypatch.delenv("ISTHMUS_LAB_DIR")
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert state.default_directory() == Path("/run/isthmus-lab")
    monkeypatch.setattr("os.geteuid", lambda: 1234)
    assert state.default_directory() == Path("/tmp/isthmus-lab-1234")
