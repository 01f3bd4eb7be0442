"""deploy/systemd: systemd takes the units, and the program takes their commands."""

import shlex
import shutil
import subprocess
from pathlib import Path

import click
import pytest

from federation.cli.main import cli
from tests.worlds.deployed import DEPLOY

UNITS = DEPLOY / "systemd"


def command_of(unit: str) -> list[str]:
    (line,) = (line for line in (UNITS / unit).read_text().splitlines() if line.startswith("ExecStart="))
    return shlex.split(line.partition("=")[2])


@pytest.mark.parametrize("role", ["gateway", "node"])
@pytest.mark.parametrize("unit", ["isthmus-agent@.service", "isthmus-envoy@.service"])
def test_every_option_is_one_of_the_program(unit: str, role: str) -> None:
    (options,) = (
        line.partition("=")[2] for line in (UNITS / f"{role}.env").read_text().splitlines() if not line.startswith("#")
    )
    _, *words = [word.replace("%i", role) for word in command_of(unit)]
    arguments = [part for word in words for part in (options.split() if word == "$OPTIONS" else [word])]
    command: click.Command = cli
    while isinstance(command, click.Group):
        found = command.get_command(click.Context(command), arguments.pop(0))
        assert found is not None
        command = found
    assert not command.make_context("isthmus", arguments).args


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_systemd_takes_the_units(tmp_path: Path) -> None:
    program = tmp_path / "isthmus"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    for unit in UNITS.glob("*.service"):
        (tmp_path / unit.name).write_text(unit.read_text().replace("/usr/local/bin/isthmus", str(program)))
    names = [
        str(tmp_path / f"isthmus-{what}@{role}.service") for what in ("agent", "envoy") for role in ("gateway", "node")
    ]
    done = subprocess.run(["systemd-analyze", "verify", *names], capture_output=True, text=True, timeout=60)
    said = [line for line in (done.stdout + done.stderr).splitlines() if str(tmp_path) in line or "isthmus" in line]
    assert (done.returncode, said) == (0, [])
