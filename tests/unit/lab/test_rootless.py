from pathlib import Path

import pytest

from federation.lab import rootless
from federation.lab.errors import LabError


@pytest.mark.parametrize(
    ("arguments", "folder"),
    [
        (["up"], "/default"),
        (["up", "--dir", "/x"], "/x"),
        (["status", "--dir=/y", "--output", "json"], "/y"),
        (["up", "--dir"], "/default"),
    ],
)
def test_the_folder_that_the_command_names(arguments: list[str], folder: str) -> None:
    assert rootless.named_directory(arguments, Path("/default")) == Path(folder)


def test_without_user_namespaces_up_is_refused_in_one_line_and_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rootless, "UNSHARE", ["false"])
    with pytest.raises(LabError) as caught:
        rootless.relay(tmp_path / "lab", ["up"])
    assert str(caught.value) == (
        "E180 the lab needs root, or a kernel that lets this user make user namespaces: try it with sudo"
    )
    assert not (tmp_path / "lab").exists()


def test_a_command_for_a_running_lab_needs_no_namespaces_when_there_is_no_holder(tmp_path: Path) -> None:
    assert rootless.relay(tmp_path / "lab", ["status"]) is None


def test_another_users_folder_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 987654)
    with pytest.raises(LabError, match="is not empty and holds no lab"):
        rootless.hold(tmp_path)
