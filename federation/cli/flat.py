"""`isthmus flat`: with whose pods ours speak by address; and the ranges that a controller is given for that."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from federation.cli.look import ask
from federation.cli.moves import API, OUTPUT, STATE, socket_of
from federation.model.cidr import parse_cidr
from federation.model.errors import InputError
from federation.model.flat import Image, meeting


@click.group(invoke_without_command=True)
@API
@STATE
@OUTPUT
@click.pass_context
def flat(context: click.Context, api: Path | None, state: Path | None, output: str) -> None:
    """Show with which members flat mode is in force: pods reach pods by address. Without a command."""
    if context.invoked_subcommand is not None:
        if api is not None or state is not None:
            raise click.UsageError(f"give --api and --state after {context.invoked_subcommand}")
        return
    found = ask(socket_of(api, state), "/v1/flat")
    if output == "json":
        click.echo(json.dumps(found, indent=2))
        return
    for text in found["problems"]:
        click.echo(f"! {text}")
    for row in found["pairs"]:
        click.echo(line_of(row))
    for row in found["egress"]:
        click.echo(egress_line(row))


@flat.command()
@click.argument("member")
@API
@STATE
def allow(member: str, api: Path | None, state: Path | None) -> None:
    """Let pods of MEMBER and ours reach each other by address, once it says the same. Ports stay closed by default."""
    click.echo(line_of(ask(socket_of(api, state), "/v1/flat", "POST", {"member": member, "allowed": True})))


@flat.command()
@click.argument("member")
@API
@STATE
def deny(member: str, api: Path | None, state: Path | None) -> None:
    """End it with MEMBER, whatever that says. Connections that stand end."""
    ask(socket_of(api, state), "/v1/flat", "POST", {"member": member, "allowed": False})
    click.echo(f"{member}: denied")


@flat.command()
@click.argument("namespace")
@click.argument("ranges", nargs=-1, metavar="RANGE...")
@click.option("--remove", is_flag=True, help="Its pods go out under their own addresses again.")
@API
@STATE
def egress(namespace: str, ranges: tuple[str, ...], remove: bool, api: Path | None, state: Path | None) -> None:
    """Let packets of NAMESPACE go to flat peers from these RANGEs, in which each node with such pods has an address.

    So a peer's AccessPolicy can open a port to this namespace alone. A RANGE lies in this member's reachable ones, has
    no pods, and an address for each such node.
    """
    if remove == bool(ranges):
        raise click.UsageError("give one RANGE or more, or --remove")
    row = ask(socket_of(api, state), "/v1/flat/egress", "POST", {"namespace": namespace, "ranges": ranges})
    click.echo(f"egress {namespace}: removed" if remove else egress_line(row))


def egress_line(row: dict[str, Any]) -> str:
    """One namespace in a line."""
    nodes = "1 node" if row["nodes"] == 1 else f"{row['nodes']} nodes"
    return f"egress {row['namespace']}: from {', '.join(row['ranges'])}, at {nodes}"


def line_of(row: dict[str, Any]) -> str:
    """One member in a line."""
    told = f"in force, its pods are in {', '.join(row['ranges'])}" if row["in_force"] else row["why"]
    here, there = ("allowed" if row[side] else "not allowed" for side in ("here", "there"))
    return f"{row['member']}: {here} here, {there} there: {told}"


def parse_images(given: tuple[str, ...]) -> tuple[Image, ...]:
    """LOCAL=SHARED each. InputError for ranges that are none, differ in length, or meet."""
    found: list[Image] = []
    taken: list[str] = []
    for text in given:
        image = _image(text)
        for part in (image.local, image.shared):
            met = meeting(part, taken)
            if met is not None:
                raise InputError(f'--flat-map "{text}": {part} overlaps {met}; give each address once', "E101")
            taken.append(part)
        found.append(image)
    return tuple(found)


def _image(text: str) -> Image:
    local, _, shared = text.partition("=")
    if not (local and shared):
        raise InputError(f'--flat-map "{text}": write it as LOCAL=SHARED, such as 10.244.0.0/16=100.70.0.0/16')
    one, other = (parse_cidr(part, "--flat-map") for part in (local, shared))
    if (one.version, one.prefixlen) != (other.version, other.prefixlen):
        raise InputError(f'--flat-map "{text}": both must be of one family and length', "E101")
    return Image(str(one), str(other))
