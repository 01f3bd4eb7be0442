"""`isthmus simulate`: what a policy does when something happens, in virtual time."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from federation.model.errors import InputError

if TYPE_CHECKING:
    from federation.model.policy import Policy
    from federation.simulation.trace import Trace
    from federation.simulation.world import World

EVERY = 10
"""Ticks between two rows of a series in JSON: one a second."""


@click.command()
@click.argument("policy", type=click.Path(path_type=Path, dir_okay=False), required=False)
@click.option("--scenario", required=True, metavar="NAME", help="What happens; `--scenario list` names all.")
@click.option("--seconds", type=click.IntRange(10, 3_600), help="How long (default: the scenario and a slow return).")
@click.option("--seed", type=int, default=1, show_default=True, help="Of the noise.")
@click.option("--capacity-unknown", is_flag=True, help="No exporter says what its endpoints can take.")
@click.option("--undamped", is_flag=True, help="No ramps, no smoothing, one probe decides: to see what they are for.")
@click.option("--svg", "picture", type=click.Path(path_type=Path, dir_okay=False), help="Draw shares over time here.")
@click.option("--output", type=click.Choice(["text", "json"]), default="text")
def simulate(
    policy: Path | None,
    scenario: str,
    seconds: int | None,
    seed: int,
    capacity_unknown: bool,
    undamped: bool,
    picture: Path | None,
    output: str,
) -> None:
    """Run three members and their clients through a scenario, under a TrafficPolicy or the defaults."""
    from msgspec import structs

    from federation.simulation.loop import run
    from federation.simulation.scenarios import LENGTH, SCENARIOS
    from federation.simulation.svg import svg
    from federation.simulation.world import USUAL
    from federation.simulation.world import undamped as without

    if scenario == "list":
        click.echo("\n".join(f"{name:<14} {one.title}" for name, one in SCENARIOS.items()))
        return
    chosen = SCENARIOS.get(scenario)
    if chosen is None:
        raise InputError(f'--scenario "{scenario}": no such scenario; known: {", ".join(SCENARIOS)}', "E104")
    world = structs.replace(USUAL, seed=seed, told=not capacity_unknown)
    if policy is not None:
        world = structs.replace(world, policy=_policy(policy, world))
    world = without(world) if undamped else world
    trace = run(world, chosen.happens(world.members), seconds or LENGTH, chosen.title)
    if picture is not None:
        picture.write_text(svg(trace), encoding="utf-8")
    click.echo(json.dumps(_told(trace), indent=1) if output == "json" else "\n".join(_lines(trace)))


def _policy(path: Path, world: World) -> Policy:
    """The one TrafficPolicy in this file. InputError (E125)."""
    from federation.model.wish import in_force
    from federation.plan.steering import Bounds, known_fault
    from federation.wire.k8s.strict import read_manifest
    from federation.wire.k8s.types import TrafficPolicy
    from federation.wire.k8s.wishes import wish_of

    found = read_manifest(path.read_text(encoding="utf-8"), str(path))
    if len(found) != 1 or not isinstance(found[0].value, TrafficPolicy):
        raise InputError(f"{path}: must hold one TrafficPolicy and nothing else, it holds {len(found)} objects", "E125")
    names = tuple(one.name for one in world.members)
    wish = wish_of(found[0].value.spec)
    wrong = known_fault(wish, Bounds(names, (), names))
    if wrong:
        raise InputError(f"{found[0].place}: {wrong}", "E125")
    return in_force([("policy", wish)]).policy


def _told(trace: Trace) -> dict[str, Any]:
    import msgspec

    from federation.simulation.trace import findings

    return {
        "title": trace.title,
        "policy": msgspec.to_builtins(trace.world.policy),
        "members": msgspec.to_builtins(trace.world.members),
        "events": [msgspec.to_builtins(event) for event in trace.events],
        "findings": [msgspec.to_builtins(one) for one in findings(trace)],
        "series": [msgspec.to_builtins(moment) for moment in trace.moments[::EVERY]],
    }


def _lines(trace: Trace) -> list[str]:
    from federation.law.words import percent
    from federation.simulation.trace import findings

    lines = [f"{trace.title}: {', '.join(_member(one) for one in trace.world.members)}", ""]
    for one in findings(trace):
        lines.append(one.what)
        lines.append(
            f"  turns of a share {one.turns}, still after {one.settled:g} s, failed {percent(one.failed)}, "
            f"busiest member at {one.busiest} % of its capacity"
        )
        at = next(m for m in trace.moments if m.at >= one.at)
        last = [m for m in trace.moments if m.at < _end(trace, one.at)][-1]
        for clients, before in at.shares.items():
            lines.append(f"  clients of {clients}: {_shares(before)} -> {_shares(last.shares[clients])}")
    return lines


def _member(one: Any) -> str:
    return f"{one.name} {one.endpoints} x {one.capacity} rps for {one.demand} rps"


def _end(trace: Trace, begin: float) -> float:
    return min((event.at for event in trace.events if event.at > begin), default=float("inf"))


def _shares(shares: dict[str, int]) -> str:
    from federation.law.words import percent

    return ", ".join(f"{name} {percent(ppm // 100 * 100)}" for name, ppm in shares.items()) or "nobody"
