"""`isthmus trust`: foreign trust domains, and the rotation of our member's anchor by its running controller."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import click

from federation.cli.membership import STATE
from federation.cli.trust_domain import domain


@click.group()
def trust() -> None:
    """Foreign trust domains; rotation of the member's anchor.

    Both anchors are trusted first, then leaves are renewed, then the old one goes.
    """


trust.add_command(domain)


@trust.command()
@STATE
@click.option(
    "--exclude", multiple=True, metavar="NAME", help="Do not wait for this member or node; it may lose trust."
)
def rotate(state: Path, exclude: tuple[str, ...]) -> None:
    """Begin to rotate the anchor; or, while it is rotated, wait no longer for --exclude."""
    _say(_ask(state, "/v1/trust/rotate?" + urlencode([("exclude", name) for name in exclude]), "POST"))


@trust.command()
@STATE
def status(state: Path) -> None:
    """Print the phase, for whom it waits and why, as JSON."""
    _say(_ask(state, "/v1/trust", "GET"))


@trust.command()
@STATE
def abort(state: Path) -> None:
    """Go back to the old anchor; refused once leaves of the new one may be in use."""
    _say(_ask(state, "/v1/trust/abort", "POST"))


def _ask(state: Path, path: str, method: str) -> dict[str, Any]:
    from federation.cli.look import ask
    from federation.config import Folder

    folder = Folder(state)
    folder.own()
    return ask(folder.api, path, method)


def _say(answer: dict[str, Any]) -> None:
    click.echo(json.dumps(answer))
