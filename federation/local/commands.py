"""`drain`, `undrain`, `freeze` and `moves` of a program that is running on a folder, over its own socket."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from federation.model.duration import parse_seconds, words
from federation.model.errors import InputError

STATE = click.option(
    "--state", required=True, type=click.Path(path_type=Path, file_okay=False), help="Folder of the running program."
)
REASON = click.option("--reason", default="", help="Why, for people who look at it later.")
Tell = Callable[[Path, object], dict[str, Any]]
"""Ask what runs on this folder."""


def add_commands(group: click.Group, tell: Tell) -> None:
    """Add them to the group of a program."""

    @group.command()
    @click.argument("member")
    @STATE
    @click.option("--over", default="0s", help="How long it takes, in ten steps, such as 10m; at most 24h.")
    @REASON
    @click.option("--force", is_flag=True, help="Against the safety rules; needs --reason.")
    def drain(member: str, state: Path, over: str, reason: str, force: bool) -> None:
        """Drain MEMBER in this program's own rulings, until undrain or a later decision of the controller."""
        from federation.model.moves import SECONDS_MAX

        manner = {"seconds": parse_seconds(over, "--over", SECONDS_MAX), "reason": reason, "force": force}
        say(tell(state, {"do": "drain", "member": member, "manner": manner}))

    @group.command()
    @click.argument("member")
    @STATE
    def undrain(member: str, state: Path) -> None:
        """End the drain of MEMBER that this program was told."""
        say(tell(state, {"do": "undrain", "member": member}))

    @group.command()
    @click.argument("switch", type=click.Choice(["on", "off"]))
    @STATE
    @REASON
    def freeze(switch: str, state: Path, reason: str) -> None:
        """Take no drains here from now on, or take them again."""
        if switch == "on" and not reason:
            raise InputError("freeze on: needs --reason, which every refusal shows")
        say(tell(state, {"do": "freeze", "why": reason if switch == "on" else ""}))

    @group.command()
    @STATE
    @click.option("--output", type=click.Choice(["text", "json"]), default="text")
    def moves(state: Path, output: str) -> None:
        """Show what this program was told."""
        answer = tell(state, {"do": "moves"})
        if output == "json":
            click.echo(json.dumps(answer, indent=2))
        else:
            say(answer)


def say(answer: dict[str, Any]) -> None:
    """Print what the program holds now."""
    from federation.model.moves import STEPS

    for row in answer["drains"]:
        since = datetime.fromtimestamp(row["since"] / 1_000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        pace = f"over {words(row['seconds'])}" if row["seconds"] else "at once"
        why = f": {row['reason']}" if row["reason"] else ""
        click.echo(f"{row['member']} is drained here since {since}, {pace}, step {row['step']} of {STEPS}{why}")
    if not answer["drains"]:
        click.echo("nobody is drained here")
    if answer["frozen"]:
        click.echo(f"moves are frozen: {answer['frozen']}")
