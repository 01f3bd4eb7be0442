"""How `isthmus lab run` prints a story."""

import json
import sys
from pathlib import Path

import click

from federation.lab.run import Play, run_story
from federation.lab.step import Step
from federation.lab.up import Options


def tell(folder: Path, play: Play, keep: bool, options: Options, output: str) -> bool:
    """Run the story and print it, as text with a table at the end or as JSON; True when every step held."""
    quiet = output == "json"

    def say(text: str) -> None:
        click.echo(text, err=quiet)

    def report(step: Step) -> None:
        say(f"{'pass' if step.ok else 'FAIL'}  {step.name}: {step.measured}")

    told = run_story(folder, play, keep, options, say, report)
    good = all(step.ok for step in told)
    if quiet:
        rows = [{"name": s.name, "expected": s.expected, "measured": s.measured, "ok": s.ok} for s in told]
        click.echo(json.dumps({"steps": rows, "ok": good}, indent=2))
    else:
        _table(told)
    return good


def _table(told: list[Step]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table("step", "expected", "measured", "verdict")
    for step in told:
        verdict = Text("pass", "green") if step.ok else Text("FAIL", "bold red")
        table.add_row(Text(step.name), Text(step.expected), Text(step.measured), verdict)
    Console(width=None if sys.stdout.isatty() else 160).print(table)
