"""The failover story in a lab that is up: its steps in order, and what is recorded of them."""

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

from federation.lab import errors, process
from federation.lab.run import Play
from federation.lab.state import Lab
from federation.lab.step import Step, attempted
from federation.lab.story import dead, lost, portions, quiet
from federation.lab.story.scene import EAST, WEB_EACH, WEST, Scene, watched
from federation.lab.topology import PAY, WEB, Topology

RECORD = "failover.json"
JOURNALS = ".journal"

Act = Callable[[Scene], list[Step]]
FIRST: tuple[Act, ...] = quiet.STEPS
POLLED: tuple[Act, ...] = (*portions.STEPS, *lost.STEPS, *dead.STEPS)


def failover(record: Path | None) -> Play:
    """The story that writes its record to this file (None: into the lab's folder), journals beside it."""

    def play(lab: Lab, topology: Topology, say: Callable[[str], None], up_seconds: float | None) -> Iterator[Step]:
        if lab.rtt_ms is not None:
            raise errors.bad_argument("the failover story has round trips of its own: raise the lab without --rtt")
        scene = Scene(lab, topology)
        say(f"traffic comes back by {scene.back.percent} % per {scene.back.seconds} s here, by default 10 % per 10 s")
        yield from _acted(scene, dressed, up_seconds)
        for act in FIRST:
            yield from _acted(scene, act)
        with watched(scene):
            for act in POLLED:
                yield from _acted(scene, act)
        written = write(scene, record or lab.path / RECORD)
        say(f"recorded in {written}")

    return play


def _acted(scene: Scene, act: Callable[..., list[Step]], *arguments: object) -> list[Step]:
    return attempted(scene.lab, act, lambda: act(scene, *arguments))


def dressed(scene: Scene, up_seconds: float | None) -> list[Step]:
    """lab: every program runs, and every member has taken what the story offers."""
    scene.dress()
    for name in scene.topology.names:
        scene.settle({name: 1_000_000}, WEB, name)
    scene.settle({EAST: 1_000_000}, PAY, WEST)
    count = len(scene.lab.programs)
    ended = sorted(name for name, one in scene.lab.programs.items() if not process.alive(one))
    took = "was up already" if up_seconds is None else f"up in {up_seconds:.1f} s"
    measured = f"ended: {', '.join(ended)}" if ended else f"{count} programs run, {took}"
    each = f"{WEB_EACH} endpoints of shop/web in each region, shop/pay in two"
    return [Step("lab", f"{count} programs run, every node current; {each}", measured, not ended)]


def write(scene: Scene, path: Path) -> Path:
    """The windows of steps 3 to 5, and beside the file (NAME.journal/MEMBER) each member's journal; the path."""
    content = {
        "members": list(scene.topology.names),
        "return": asdict(scene.back),
        "takes": [
            {
                "step": take.step,
                "service": f"shop/{take.service}",
                "from": take.member,
                "windows": [{"t": window.t, "by": window.by} for window in take.windows],
            }
            for take in scene.takes
        ],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1) + "\n")
    for name in scene.topology.names:
        beside = path.with_suffix(JOURNALS) / name
        shutil.rmtree(beside, ignore_errors=True)
        shutil.copytree(scene.lab.member(name) / "state" / "journal", beside)
    return path
