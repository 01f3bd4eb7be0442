"""Commands of `isthmus dns` that ask a running server, or tell it. Imports are made where they are used."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from federation.local.commands import add_commands
from gslb.addresses import anchor

if TYPE_CHECKING:
    from gslb.delegation import Delegation

STATE = click.option(
    "--state", required=True, type=click.Path(path_type=Path, file_okay=False), help="Folder of the running server."
)


def add_asking(group: click.Group) -> None:
    """Add them to the group."""
    for command in (explain, delegation, override, overrides):
        group.add_command(command)
    add_commands(group, _tell)


@click.command()
@click.argument("name")
@STATE
@click.option("--from", "client", required=True, metavar="ADDRESS", help="The address of the resolver that asks.")
@click.option("--ecs", default="", metavar="CIDR", help="The client subnet that it sends (RFC 7871).")
@click.option("--at", "revision", type=click.IntRange(1), help="Under the handout of this revision, one of the last 8.")
@click.option("--output", type=click.Choice(["text", "json"]), default="text")
def explain(name: str, state: Path, client: str, ecs: str, revision: int | None, output: str) -> None:
    """Explain what the running server answers a client for a public name.

    Where the client stands, the tree of policies, the law's inputs and rules, shares, bucket, TTL, the pick.
    """
    import json

    from gslb.control import ask
    from gslb.explain import Question, lines

    check_client(client, ecs)
    found = ask(state, Question(name, client, ecs, revision or 0))
    click.echo(json.dumps(found, indent=2) if output == "json" else "\n".join(lines(found)))


@click.command()
@click.argument("zone")
@click.option("--state", type=click.Path(path_type=Path, file_okay=False), help="Folder of the running server.")
@click.option("--zone-file", metavar="[APEX=]FILE", help="The zone's file, instead of a running server.")
@click.option("--check", "checks", is_flag=True, help="Ask the parent's servers, and those of the zone.")
@click.option("--parent", multiple=True, metavar="ADDRESS:PORT", help="A server of the parent; may be repeated.")
@click.option("--port", type=click.IntRange(1, 65_535), default=53, help="Of the zone's own servers, for --check.")
def delegation(
    zone: str, state: Path | None, zone_file: str | None, checks: bool, parent: tuple[str, ...], port: int
) -> None:
    """Print what to put at the parent of a zone: NS records and glue. With --check: whether it is there.

    Exit status 1 when something is wrong: a line says what, and of whom.
    """
    import sys

    from gslb import parent as asking
    from gslb.delegation import lines

    if (state is None) == (zone_file is None):
        raise click.UsageError("give one of --state DIR and --zone-file FILE")
    if parent and not checks:
        raise click.UsageError("--parent is for --check")
    found = _delegation(zone.rstrip(".").lower(), state, zone_file)
    click.echo("\n".join(lines(found)))
    if not checks:
        return
    wrong = asking.check(found, [anchor(text, "--parent") for text in parent], port)
    click.echo("\n".join(f"; {line}" for line in wrong or ["the parent and every server of the zone say so"]))
    sys.exit(bool(wrong))


def _delegation(zone: str, state: Path | None, zone_file: str | None) -> Delegation:
    from gslb.control import OfZone, ask
    from gslb.delegation import Delegation, delegation_of
    from gslb.files import ZoneFiles, parse_given

    if state is None:
        return delegation_of(ZoneFiles(parse_given([zone_file or ""])).look(), zone)
    return Delegation(zone, tuple((one[0], one[1], one[2], one[3]) for one in ask(state, OfZone(zone))["rows"]))


def check_client(client: str, ecs: str) -> None:
    """InputError for what is no address, or no subnet."""
    from ipaddress import ip_address, ip_network

    from federation.model.errors import InputError

    try:
        ip_address(client)
    except ValueError:
        raise InputError(f'--from "{client}": is not an IP address', "E122") from None
    try:
        ip_network(ecs or client, strict=False)
    except ValueError:
        raise InputError(f'--ecs "{ecs}": is not a range such as 192.0.2.0/24 or 2001:db8::/32', "E122") from None


def _tell(state: Path, command: object) -> dict[str, Any]:
    from gslb.control import ask

    return ask(state, command)


@click.command()
@click.argument("to", type=click.Choice(["up", "down", "clear"]))
@click.argument("name")
@click.argument("member")
@STATE
@click.option("--for", "lasts", default="0s", help="How long, such as 10m; at most 720h; 0s: until it is cleared.")
@click.option("--reason", default="", help="Why, for people who look at it later.")
def override(to: str, name: str, member: str, state: Path, lasts: str, reason: str) -> None:
    """Say that targets of MEMBER for NAME, globs both, are up or down whatever probes find; or clear that.

    What a member says of itself stays, and a name is never answered empty for it.
    """
    from federation.model.duration import parse_seconds
    from gslb.overrides import LASTS, Change

    seconds = parse_seconds(lasts, "--for", LASTS.high)
    show(_tell(state, Change(to, name, member, seconds, reason)))  # type: ignore[arg-type]


@click.command()
@STATE
@click.option("--output", type=click.Choice(["text", "json"]), default="text")
def overrides(state: Path, output: str) -> None:
    """Show the overrides in force."""
    import json

    from gslb.overrides import Change

    found = _tell(state, Change("show"))
    if output == "json":
        click.echo(json.dumps(found, indent=2))
    else:
        show(found)


def show(found: dict[str, Any]) -> None:
    """Print the overrides in force."""
    from datetime import UTC, datetime

    for one in found["overrides"]:
        end = datetime.fromtimestamp(one["until"] / 1_000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if one["until"] else ""
        until, why = f" until {end}" if end else "", f": {one['reason']}" if one["reason"] else ""
        click.echo(f"{one['name']} {one['member']} is {one['state']}{until}{why}")
    if not found["overrides"]:
        click.echo("nothing is overridden here")
