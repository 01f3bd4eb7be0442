"""`isthmus lab run`: raise the lab, tell the journey of a request, check it, take everything down."""

import time
from collections.abc import Callable
from pathlib import Path

from federation.lab import errors, manifests, process, steps, up
from federation.lab.down import leftovers, marks, take_down
from federation.lab.inside import pids_in
from federation.lab.netns import names
from federation.lab.state import FILE, Lab, load
from federation.lab.steps import Stage, Step
from federation.lab.topology import LAB, Topology

Report = Callable[[Step], None]
RETURN = manifests.Return(percent=100, seconds=1)
"""The journey waits for no slow return; that is the failover story's."""


def run_journey(
    directory: Path,
    keep: bool,
    rtt_ms: float | None,
    say: Callable[[str], None],
    report: Report,
    topology: Topology = LAB,
) -> list[Step]:
    """The steps with their verdicts, each reported when it is done.

    A lab that was raised by this run is taken down at its end, also when it is interrupted, unless
    `keep`; one that was up before stays up.
    """
    before = marks()
    stage = _stage(directory, rtt_ms, say, topology)
    mine = stage.up_seconds is not None
    told: list[Step] = []
    try:
        for step in steps.STEPS:
            told.append(steps.tell(stage, step))
            report(told[-1])
        if keep or not mine:
            steps.start_controllers(stage)
    except BaseException:
        if mine:
            take_down(stage.lab.path)
        raise
    for hop, text in enumerate(stage.hops, 1):
        say(f"  {hop}. {text}")
    if mine and not keep:
        failed = not all(step.ok for step in told)
        told.append(_down(stage.lab, topology, before, failed))
        report(told[-1])
    return told


def _stage(directory: Path, rtt_ms: float | None, say: Callable[[str], None], topology: Topology) -> Stage:
    if not (directory / FILE).exists():
        begin = time.monotonic()
        lab = up.raise_lab(directory, up.Options(rtt_ms), say, topology)
        stage = Stage(lab, topology, say, time.monotonic() - begin)
    else:
        lab = load(directory)
        if lab.bare or lab.state != "up":
            raise errors.already_up(lab.lab, str(directory))
        say(f"lab {lab.lab} is up in {lab.directory} and stays up")
        stage = Stage(lab, topology, say)
        for member in topology.names:
            manifests.clear(up.folder(lab, member))
        stage.offer(stage.away, [manifests.Listed(pod) for pod in stage.away.endpoints[:2]])
    manifests.set_policy(up.folder(lab, stage.home.name), RETURN)
    return stage


def _down(lab: Lab, topology: Topology, before: dict[str, list[str]], keep_logs: bool) -> Step:
    """j: nothing of the lab is left, neither its own things nor anything new on the machine."""
    count = len(names(lab.lab, topology))
    pids = pids_in(names(lab.lab, topology))
    take_down(lab.path, keep_logs)
    left = [line for line in leftovers(lab) if not (keep_logs and line == f"folder {lab.path}")]
    left += [f"process {pid}" for pid in pids if process.start_ticks(pid) is not None]
    after = marks()
    left += [f"{kind}: {name}" for kind, found in after.items() for name in found if name not in before[kind]]
    kept = f"; logs are in {lab.path / 'log'}" if keep_logs else ""
    measured = "; ".join(left) if left else f"{count} namespaces and {len(pids)} processes gone, nothing left{kept}"
    return Step("down", "no namespace, process, device, route, nft table, socket or folder left", measured, not left)
