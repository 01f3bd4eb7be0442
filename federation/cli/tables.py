"""Status and explain for people."""

from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table


def table(title: str, *columns: str) -> Table:
    """An empty table with these columns."""
    made = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
    for column in columns:
        made.add_column(column)
    return made


def print_status(answer: dict[str, Any]) -> None:
    """Print one controller's status."""
    console = Console()
    console.print(
        f"[bold]{answer['member']}[/]  revision {answer['revision']}  cluster {answer['cluster']['certainty']}"
    )
    members = table("members", "member", "number", "region", "session", "last heard", "record")
    for row in answer["members"]:
        record = row.get("record")
        members.add_row(
            row["member"],
            str(row["number"]),
            row["region"],
            row["session"],
            "-" if row["age"] is None else f"{row['age']:.0f} s ago",
            f"{record['epoch']}.{record['generation']}" if record else "-",
        )
    nodes = table("nodes", "node", "role", "session", "wanted", "reached")
    for row in answer["nodes"]:
        nodes.add_row(row["node"], row["role"], row["session"], row["wanted"], row["reached"] or "-")
    links = table("links", "from", "to", "handshake", "received", "sent")
    for row in answer["links"]:
        age = "never" if row["handshake_age"] < 0 else f"{row['handshake_age']} s ago"
        links.add_row(row["node"], f"{row['member']}/{row['gateway']}", age, f"{row['rx']} B", f"{row['tx']} B")
    services = table("services", "service", "clusterset IP", "shares", "exported here")
    for row in answer["services"]:
        shares = ", ".join(f"{s['member']} {s['ppm'] / 10_000:g} %" for s in row.get("shares", ()))
        services.add_row(
            row["service"],
            row.get("address", "-"),
            shares or "nobody ready",
            "yes" if row["exported"] else "no",
        )
    for item in (members, nodes, links, services):
        console.print(item)
    for line in _troubles(answer):
        console.print(f"[yellow]! {escape(line)}[/]")
    console.print()


def _troubles(answer: dict[str, Any]) -> list[str]:
    lines = [
        *answer["cluster"]["problems"],
        *answer["held"],
        *answer["unplanned"],
        *([answer["problem"]] if answer["problem"] else []),
    ]
    lines += [f"{row['member']}: {text}" for row in answer["members"] for text in row["refusals"]]
    lines += [f"{row['node']}: {text}" for row in answer["nodes"] for text in row["problems"]]
    return lines + [f"{row['service']}: {text}" for row in answer["services"] for text in row["notes"]]


def print_explain(answer: dict[str, Any]) -> None:
    """Print the law's inputs, its rules and the shares."""
    console = Console()
    console.print(
        f"[bold]{answer['service']}[/] from {answer['from']}: {answer['host']} is {answer['address'] or 'headless'}"
    )
    inputs = table("inputs", "member", "cost", "by", "ready", "total")
    for row in answer["inputs"]:
        inputs.add_row(row["member"], str(row["cost"]), row["cost_from"], str(row["ready"]), str(row["total"]))
    console.print(inputs)
    for number, text in enumerate(answer["rules"], start=1):
        console.print(f"{number}. {escape(text)}")
    shares = table("shares", "member", "share")
    for row in answer["shares"]:
        shares.add_row(row["member"], row["percent"])
    console.print(shares)
    for text in answer["notes"]:
        console.print(f"[yellow]! {escape(text)}[/]")
