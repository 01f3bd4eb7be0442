"""Status and explain for people."""

import json
from datetime import UTC, datetime
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


def print_replica(answer: dict[str, Any]) -> None:
    """Print which of its member's controllers answered, who leads, and how old the answer is."""
    console, replica = Console(), answer["replica"]
    if replica["role"] == "leader":
        console.print(f"leader: {escape(replica['identity'])}")
        return
    leader = replica["leader"] or {"identity": "nobody that is known", "address": "", "since": "", "age": None}
    since = f", since {leader['since']}" if leader["since"] else ""
    heard = f", its Lease changed {leader['age']:.0f} s ago" if leader["age"] is not None else ""
    where = f" at {leader['address']}" if leader["address"] else ""
    console.print(f"[bold yellow]standby[/] {escape(replica['identity'])}")
    console.print(f"leader: {escape(leader['identity'])}{where}{since}{heard}")
    age = "it never answered" if replica["age"] is None else f"its answer is {replica['age']:g} s old"
    console.print(f"what follows is what the leader says: {age}")
    for line in replica["problems"]:
        console.print(f"[yellow]! {escape(line)}[/]")


def _role(row: dict[str, Any]) -> str:
    """With what answers datagrams, of a DNS server."""
    path = row.get("packet_path")
    return f"{row['role']} ({path})" if path else str(row["role"])


def print_status(answer: dict[str, Any]) -> None:
    """Print one controller's status."""
    from federation.cli.moves_tables import print_moves

    console = Console()
    if answer.get("replica"):
        print_replica(answer)
    if "members" not in answer:
        console.print(f"[bold]{answer['member']}[/]  nothing is known of it here\n")
        return
    console.print(
        f"[bold]{answer['member']}[/]  revision {answer['revision']}  cluster {answer['cluster']['certainty']}"
    )
    members = _members(answer)
    nodes = table("nodes", "node", "role", "session", "wanted", "reached")
    for row in answer["nodes"]:
        nodes.add_row(row["node"], _role(row), row["session"], row["wanted"], row["reached"] or "-")
    links = table("links", "from", "to", "state", "round trip", "packets", "handshake", "received", "sent")
    for row in answer["links"]:
        age = "never" if row["handshake_age"] < 0 else f"{row['handshake_age']} s ago"
        trip = "-" if row["rtt_us"] < 0 else f"{row['rtt_us'] / 1_000:.1f} ms ± {row['jitter_us'] / 1_000:.1f}"
        state = ("up" if row["up"] else "down") + (f", {row['loss']} % lost" if row["loss"] else "")
        state += f", through {row['relay']}" if row.get("relay") else ""
        size = "-" if row["mtu"] < 0 else f"{row['mtu']} B" if row["mtu"] else "under 1280 B"
        counts = (f"{row['rx']} B", f"{row['tx']} B")
        links.add_row(row["node"], f"{row['member']}/{row['gateway']}", state, trip, size, age, *counts)
    services = table("services", "service", "clusterset IP", "shares", "exported here")
    for row in answer["services"]:
        shares = ", ".join(f"{s['member']} {s['ppm'] / 10_000:g} %" for s in row.get("shares", ()))
        services.add_row(
            row["service"],
            ", ".join(row.get("clusterset_ips", ())) or "-",
            shares or "nobody ready",
            "yes" if row["exported"] else "no",
        )
    names = table("public names", "name", "service", "TTL", "targets")
    for row in answer["names"]:
        targets = ", ".join(
            f"{t['member']} {t['ready']}/{t['total']}{' down' if t['down'] else ''}" for t in row["targets"]
        )
        names.add_row(row["host"], row["service"], f"{row['ttl']} s", targets or "nobody")
    foreign = table("foreign trust domains", "trust domain", "profile", "sequence", "last good")
    for row in answer["foreign"]:
        age = "never" if row["age"] is None else f"{row['age']} s ago"
        foreign.add_row(row["trust_domain"], row["profile"], str(row["sequence"]), age)
    for item in (members, nodes, links, services, names, *([foreign] if answer["foreign"] else [])):
        console.print(item)
    print_moves(answer.get("moves", {}))
    for line in troubles(answer):
        console.print(f"[yellow]! {escape(line)}[/]")
    console.print()


def print_members(answer: dict[str, Any]) -> None:
    """Print the members, those that are none any more, and the ledger's place in time."""
    console, ledger = Console(), answer["ledger"]
    made = _members(answer)
    for row in answer["former"]:
        made.add_row(row["member"], str(row["number"]), "", row["state"], "-", "-", "")
    console.print(made)
    console.print(f"registrar {ledger['registrar']}, ledger term {ledger['term']}, index {ledger['index']}")


def _members(answer: dict[str, Any]) -> Table:
    members = table("members", "member", "number", "region", "session", "last heard", "record", "notes")
    for row in answer["members"]:
        record, via = row.get("record"), row.get("via")
        members.add_row(
            row["member"],
            str(row["number"]),
            row["region"],
            f"{row['session']}, by way of {via}" if via else row["session"],
            "-" if row["age"] is None else f"{row['age']:.0f} s ago",
            f"{record['epoch']}.{record['generation']}" if record else "-",
            escape("; ".join(row["notes"])),
        )
    return members


def troubles(answer: dict[str, Any]) -> list[str]:
    """What a controller's status says is not good, one line each."""
    lines = [
        *answer["cluster"]["problems"],
        *answer["store"]["problems"],
        *answer["disk"]["problems"],
        *answer["held"],
        *answer["trust"].get("problems", ()),
        *answer["membership"],
        *answer["unplanned"],
        *([answer["problem"]] if answer["problem"] else []),
    ]
    lines += [f"{row['member']}: {text}" for row in answer["members"] for text in row["refusals"]]
    lines += [f"{row['trust_domain']}: {row['problem']}" for row in answer["foreign"] if row["problem"]]
    lines += [f"{row['node']}: {text}" for row in answer["nodes"] for text in row["problems"]]
    return lines + [f"{row['service']}: {text}" for row in answer["services"] for text in row["notes"]]


def _levels(levels: dict[str, str], policy: dict[str, Any]) -> Table:
    made = table("policy", "field", "value", "asked for by")
    values = policy | policy["resilience"]
    for field, level in levels.items():
        made.add_row(field, escape(json.dumps(values[field])), level)
    return made


def print_explain(answer: dict[str, Any]) -> None:
    """Print the law's inputs, its rules and the shares."""
    console = Console()
    moment = datetime.fromtimestamp(answer["at"] / 1_000, UTC).isoformat(timespec="milliseconds")
    where = f"TTL {answer['ttl']} s" if "ttl" in answer else ", ".join(answer["clusterset_ips"]) or "headless"
    console.print(
        f"[bold]{answer.get('name', answer['service'])}[/] from {answer['from']} at {moment}: "
        f"{answer.get('host', answer['service'])} is {where}"
    )
    inputs = table("inputs", "member", "region", "cost", "by", "ready", "total", "way", "address")
    for row in answer["inputs"]:
        way = ("up" if row["up"] else "down") + (f", {row['loss']} % lost" if row["loss"] else "")
        public = ", ".join(answer.get("addresses", {}).get(row["member"], ()))
        counts = (str(row["cost"]), row["cost_from"], str(row["ready"]), str(row["total"]))
        inputs.add_row(row["member"], row["region"], *counts, way, public or "-")
    console.print(inputs)
    if answer.get("levels"):
        console.print(_levels(answer["levels"], answer["policy"]))
    for number, text in enumerate(answer["rules"], start=1):
        console.print(f"{number}. {escape(text)}")
    shares = table("shares", "member", "share")
    for row in answer["shares"]:
        shares.add_row(row["member"], row["percent"])
    console.print(shares)
    if answer["standby"]:
        console.print(f"standing by: {', '.join(answer['standby'])}")
    for text in answer["notes"]:
        console.print(f"[yellow]! {escape(text)}[/]")


def print_map(answer: dict[str, Any]) -> None:
    """Print who calls whom among one member's clients."""
    made = table(f"requests of {answer['member']}'s clients", "source", "service", "destination", "rate", "errors")
    for edge in answer["edges"]:
        source = edge["source"]
        who = f"{source['namespace']}/{source['account']}" if source["account"] else "no identity"
        rate, errors = f"{edge['rps']:.1f}/s", f"{edge['errors_percent']:.1f} %"
        made.add_row(who, edge["service"], edge["destination"], rate, errors)
    Console().print(made if answer["edges"] else f"{answer['member']}: no requests of its clients")


def print_access(answer: dict[str, Any]) -> None:
    """Print, port by port, whether the caller is admitted, and why."""
    console = Console()
    console.print(f"[bold]{answer['service']}[/] in {answer['member']}, called by {answer['source']}")
    for row in answer["ports"]:
        call = f"{answer['method']} {answer['path']}" if row["http"] else "a connection"
        refused = "answered " + str(row["status"]) if row["status"] else "closed"
        verdict = "[green]admitted[/]" if row["admitted"] else f"[red]{refused}[/]"
        console.print(f"{row['port']}: {escape(call)} is {verdict}: {escape(row['why'])}")
    for text in answer["notes"]:
        console.print(f"[yellow]! {escape(text)}[/]")
