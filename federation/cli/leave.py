"""`isthmus leave`: our member asks to leave the federation."""

import json
from pathlib import Path

import click

from federation.cli.membership import STATE


@click.command()
@STATE
@click.option("--abort", is_flag=True, help="Take the wish back, before the registrar granted it.")
def leave(state: Path, abort: bool) -> None:
    """Ask the registrar to let this member go; its running controller goes on asking until it has left.

    Then the other members drop its trust, links, services and names, and it serves its own cluster alone.
    """
    from federation.cli.look import ask
    from federation.config import Folder

    folder = Folder(state)
    folder.own()
    click.echo(json.dumps(ask(folder.api, "/v1/leave/abort" if abort else "/v1/leave", "POST")))
