"""`isthmus lab run`: raise the lab, tell a story in it and check it, take everything down."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

from federation.lab import errors, process, supervise, up
from federation.lab.down import leftovers, marks, take_down
from federation.lab.inside import pids_in
from federation.lab.netns import names
from federation.lab.state import FILE, Lab, load
from federation.lab.step import Step
from federation.lab.topology import Topology, topology_of

Say = Callable[[str], None]
Play = Callable[[Lab, Topology, Say, float | None], Iterator[Step]]
"""A story: it does its steps to a lab that is up and yields each row when it is known. The last argument is how many
seconds it took to raise the lab; None when it was up before.
"""


def run_story(
    directory: Path, play: Play, keep: bool, options: up.Options, say: Say, report: Callable[[Step], None]
) -> list[Step]:
    """The rows with their verdicts, each reported when it is known.

    A lab that was raised by this run is taken down at its end, also when it is interrupted, unless
    `keep`; one that was up before stays up, with every program running.
    """
    before, begin = marks(), time.monotonic()
    lab, seconds = _raised(directory, options, say)
    topology = topology_of(lab.second)
    mine = seconds is not None
    told: list[Step] = []
    try:
        for row in play(lab, topology, say, seconds):
            told.append(row)
            report(row)
        if keep or not mine:
            supervise.start_dead(lab)
    except BaseException:
        if mine:
            take_down(lab.path)
        raise
    if mine and not keep:
        failed = not all(step.ok for step in told)
        told.append(_down(lab, topology, before, failed))
        report(told[-1])
    say(f"took {time.monotonic() - begin:.0f} s")
    return told


def _raised(directory: Path, options: up.Options, say: Say) -> tuple[Lab, float | None]:
    if (directory / FILE).exists() and lost(load(directory)):
        say(f"lab {load(directory).lab} was lost with all its programs, as by a restart of the machine: raised anew")
        take_down(directory)
    if not (directory / FILE).exists():
        begin = time.monotonic()
        return up.raise_lab(directory, options, say), time.monotonic() - begin
    lab = load(directory)
    if lab.bare or lab.state != "up":
        raise errors.already_up(lab.lab, str(directory))
    if options.kubernetes not in ("", lab.kubernetes):
        raise errors.other_sort(str(directory), options.kubernetes, lab.kubernetes)
    if options.second and not lab.second:
        raise errors.no_second(str(directory))
    say(f"lab {lab.lab} is up in {lab.directory} and stays up")
    return lab, None


def lost(lab: Lab) -> bool:
    """True for a lab that was up, of which not one program runs any more."""
    return lab.state == "up" and not any(map(process.alive, lab.programs.values()))


def _down(lab: Lab, topology: Topology, before: dict[str, list[str]], keep_logs: bool) -> Step:
    """j: nothing of the lab is left, neither its own things nor anything new on the machine."""
    count = len(names(lab.lab, topology, bool(lab.kubernetes)))
    pids = pids_in(names(lab.lab, topology, bool(lab.kubernetes)))
    take_down(lab.path, keep_logs)
    left = [line for line in leftovers(lab) if not (keep_logs and line == f"folder {lab.path}")]
    left += [f"process {pid}" for pid in pids if process.start_ticks(pid) is not None]
    after = marks()
    left += [f"{kind}: {name}" for kind, found in after.items() for name in found if name not in before[kind]]
    kept = f"; logs are in {lab.path / 'log'}" if keep_logs else ""
    measured = "; ".join(left) if left else f"{count} namespaces and {len(pids)} processes gone, nothing left{kept}"
    return Step("down", "no namespace, process, device, route, nft table, socket or folder left", measured, not left)
