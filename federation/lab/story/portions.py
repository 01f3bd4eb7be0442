"""Step 3: shares follow readiness, at once on the way out and by the ramp on the way back."""

import math
import time

from federation.lab import look, process
from federation.lab.look import Answer
from federation.lab.step import Step
from federation.lab.story.measure import Climb, by_member, climb, height, windows
from federation.lab.story.scene import EAST, POINTS, SETTLE_SECONDS, WEB_EACH, WEST, Scene, Take
from federation.lab.topology import WEB

CLIENTS, EACH = 20, 120
PACE = ("--count", "0", "--timeout", "5", "--keep", "--parallel", "16", "--rate", "25")
LAG_SECONDS = 2
AFTER_SECONDS = 3
QUARTER = 35.0
"""What one of four ready endpoints is good for, in per cent: 1.4 x 1/4."""


def two_of_four(scene: Scene) -> list[Step]:
    """3 two of four: half of the endpoints are ready and the region keeps 70 % of its requests."""
    return [_kept(scene, "3 two of four", 2, 700_000)]


def one_of_four(scene: Scene) -> list[Step]:
    """3 one of four: a quarter of the endpoints is ready and the region keeps 35 % of its requests."""
    return [_kept(scene, "3 one of four", 1, 350_000)]


def asked(scene: Scene, ready: int, ppm: int) -> list[Answer]:
    """The answers to CLIENTS x EACH requests in East while so many of its four endpoints are ready and the law gives it
    `ppm`, the rest to West.
    """
    scene.offer(EAST, WEB, ready, WEB_EACH)
    scene.settle({EAST: ppm, WEST: 1_000_000 - ppm}, WEB, EAST)
    return look.fetch(scene.lab, EAST, EACH, "--parallel", str(CLIENTS), "--keep")


def _kept(scene: Scene, name: str, ready: int, ppm: int) -> Step:
    answers = asked(scene, ready, ppm)
    begin = min(one["t"] for one in answers)
    seconds = int(max(one["t"] for one in answers) - begin) + 1
    scene.takes.append(Take(name, WEB, EAST, windows(answers, begin, seconds)))
    by = by_member(answers)
    total = sum(by.values())
    share = 100 * by.get(EAST, 0) / max(1, total)
    others = ", ".join(f"{member} {count}" for member, count in sorted(by.items()) if member != EAST)
    return Step(
        name,
        f"{EAST} {ppm / 10_000:g} % within {POINTS:g} points of 2000 requests or more",
        f"{EAST} {share:.1f} % of {total}, {others}",
        abs(share - ppm / 10_000) <= POINTS and total >= 2000 and set(by) == {EAST, WEST},
    )


def slow_return(scene: Scene) -> list[Step]:
    """3 return: all endpoints are ready again and the share climbs by the ramp, not faster."""
    rising = math.ceil((100 - QUARTER) / scene.back.percent) * scene.back.seconds
    with look.watching(scene.lab, EAST, *PACE, "--deadline", f"{SETTLE_SECONDS + rising:g}") as watch:
        lines = iter(watch)
        answers = [next(lines)]
        changed = time.time()
        scene.offer(EAST, WEB, WEB_EACH, WEB_EACH)
        process.wait_for(scene.lab, lambda: _unreturning(scene), SETTLE_SECONDS)
        since = scene.inputs(EAST, WEB, EAST)["since"] / 1000
        end = since + rising + LAG_SECONDS + AFTER_SECONDS
        for one in lines:
            answers.append(one)
            if one["t"] > end:
                break
    found = windows(answers, since, rising + LAG_SECONDS + AFTER_SECONDS)
    scene.takes.append(Take("3 return", WEB, EAST, found))
    seen = climb(found, EAST, since, QUARTER, scene.back)
    failed = sum(not one["ok"] for one in answers)
    shares = " ".join(f"{one.percent(EAST):.0f}" for one in found)
    lines_said = " ".join(f"{height(one.t, since, QUARTER, scene.back):.0f}" for one in found)
    return [
        Step(
            "3 return",
            f"by second {lines_said} %: never above, all after {rising} to {rising + LAG_SECONDS} s, 0 failed",
            f"{shares} % of {len(answers)}, {_climbed(seen)}, {failed} failed; began after {since - changed:.2f} s",
            _held(seen, rising) and not failed,
        )
    ]


def _unreturning(scene: Scene) -> str:
    found = scene.inputs(EAST, WEB, EAST)
    return "" if found["ready"] == WEB_EACH and found["since"] else f"{EAST} is told {found}"


def _climbed(seen: Climb) -> str:
    whole = "never all" if seen.full is None else f"all after {seen.full:.0f} s"
    side = "above" if seen.over > 0 else "below"
    return f"{abs(seen.over):.1f} points {side} the line on average, {whole}"


def _held(seen: Climb, rising: int) -> bool:
    return (
        seen.over <= POINTS
        and seen.worst <= 0
        and seen.full is not None
        and rising <= seen.full <= rising + LAG_SECONDS
    )


STEPS = (two_of_four, one_of_four, slow_return)
