"""`isthmus map`: who calls whom, as one member's controller sees its own clients."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from federation.cli.look import API, ask, lab_sockets


@click.command("map")
@API
@click.option("--output", type=click.Choice(["text", "json", "dot"]), default="text", help="dot: for Graphviz.")
def service_map(api: Path | None, output: str) -> None:
    """Show who calls whom: source, service, destination member, requests per second, errors.

    Each controller knows the requests of its own member's clients. With --api that of one; without, those of every
    member of the lab that runs here.
    """
    found = [ask(socket, "/v1/map") for socket in ([api] if api else lab_sockets())]
    if output == "json":
        click.echo(json.dumps(found[0] if api else found, indent=2))
    elif output == "dot":
        click.echo(dot([edge for answer in found for edge in answer["edges"]]))
    else:
        from federation.cli.tables import print_map

        for answer in found:
            print_map(answer)


def dot(edges: list[dict[str, Any]]) -> str:
    """The edges as a graph in the DOT language: workloads, services, members."""
    lines = ["digraph isthmus {", "  rankdir=LR;"]
    shapes: dict[str, str] = {}
    for edge in edges:
        source, service, to = source_of(edge), edge["service"], f"{edge['service']} in {edge['destination']}"
        shapes |= {source: "ellipse", service: "box", to: "component"}
        said = f"{edge['rps']:.1f}/s" + (f", {edge['errors_percent']:.1f} % errors" if edge["errors_percent"] else "")
        lines.append(f"  {_quoted(source)} -> {_quoted(service)};")
        lines.append(f"  {_quoted(service)} -> {_quoted(to)} [label={_quoted(said)}];")
    nodes = [f"  {_quoted(name)} [shape={shape}];" for name, shape in sorted(shapes.items())]
    return "\n".join([*lines[:2], *nodes, *dict.fromkeys(lines[2:]), "}"])


def source_of(edge: dict[str, Any]) -> str:
    """Member, namespace and account of the caller."""
    source = edge["source"]
    who = f"{source['namespace']}/{source['account']}" if source["account"] else "no identity"
    return f"{source['member']}: {who}"


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
