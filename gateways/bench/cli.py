"""`isthmus bench`: measures what this machine has. Imports are made where they are used."""

from __future__ import annotations

from pathlib import Path

import click

from gateways.cli import STATE


@click.group()
def bench() -> None:
    """Measure what a link of this machine carries."""


@bench.command()
@STATE
@click.option("--member", default="", help="Only the gateways of this member.")
@click.option(
    "--seconds", type=click.FloatRange(1, 60), default=6.0, show_default=True, help="Under load, for each link."
)
@click.option(
    "--limit", type=click.FloatRange(min=1), help="Mbit/s each way, at most.  [default: all that a link carries]"
)
@click.option("--output", type=click.Choice(["text", "json"]), default="text")
def link(state: Path, member: str, seconds: float, limit: float | None, output: str) -> None:
    """Measure links to other members, one after the other: round trips, idle and under load, and throughput.

    Echoes go there and back through WireGuard, so nothing need listen at the other end. Without --limit a link is
    filled: what its users send waits, too. Status 1 when nothing comes back over one.
    """
    import sys

    import msgspec

    from gateways.bench.link import measured
    from gateways.bench.result import lines
    from gateways.gateway_cli import views_of
    from gateways.verifying import links_of

    found = []
    for peer in links_of(views_of(state), member):
        found.append(measured(peer, seconds, (limit or 0.0) * 1e6 / 8))
        if output == "text":
            click.echo("\n".join(lines(found[-1])))
    if output == "json":
        click.echo(msgspec.json.format(msgspec.json.encode(found)).decode())
    sys.exit(any(one.carried is None for one in found))
