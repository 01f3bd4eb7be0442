"""Drains and shifts for people."""

from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.markup import escape

from federation.cli.tables import table
from federation.model.duration import words

YEAR_10000 = 253_402_300_800_000
"""Unix milliseconds; a member may say any moment."""
AHEAD_TOLD = 5
"""Seconds by which another's clock may be ahead before people are told."""


def print_moves(found: dict[str, Any]) -> None:
    """Print what is under way; nothing where there is nothing."""
    console = Console()
    if found.get("drains"):
        drains = table("drains", "member", "by", "since", "over", "step", "reason")
        for row in found["drains"]:
            drains.add_row(row["member"], row["by"], *progress(row), escape(row["reason"]))
        console.print(drains)
    if found.get("shifts"):
        shifts = table("shifts", "service", "from", "to", "part", "by", "since", "over", "step", "reason")
        for row in found["shifts"]:
            ends = (row["service"], row["from"], row["to"], f"{row['ppm'] / 10_000:g} %")
            shifts.add_row(*ends, row["by"], *progress(row), escape(row["reason"]))
        console.print(shifts)
    if found.get("frozen"):
        console.print(f"[yellow]! moves are frozen: {escape(found['frozen'])}[/]")


def progress(row: dict[str, Any]) -> tuple[str, str, str]:
    """Since when, over how long, and how far."""
    known = row["since"] < YEAR_10000
    since = datetime.fromtimestamp(row["since"] / 1_000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if known else "after 9999"
    ahead = row.get("ahead", 0) // 1_000
    waits = f" (its clock is {words(ahead)} ahead)" if ahead >= AHEAD_TOLD else ""
    return since, words(row["seconds"]) if row["seconds"] else "at once", f"{row['step']} of {row['of']}{waits}"


def print_changes(changes: list[dict[str, Any]]) -> None:
    """Print the shares of each service and locality before a move and at its end."""
    console = Console()
    if not changes:
        console.print("no shares change")
        return
    made = table("shares", "of", "clients in", "before", "at the end")
    for row in changes:
        made.add_row(row["of"], row["from"], _shares(row["before"]), _shares(row["after"]))
    console.print(made)


def _shares(shares: dict[str, int]) -> str:
    return ", ".join(f"{member} {ppm / 10_000:g} %" for member, ppm in shares.items()) or "nobody"
