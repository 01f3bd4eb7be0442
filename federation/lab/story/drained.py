"""The drain of a region under load: in steps on every peer, then DNS, and back; then by the own sockets of a node agent
and a DNS server, with every controller dead.
"""

import json
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from federation.lab import errors, look, process, supervise
from federation.lab.look import Answer
from federation.lab.manifests import PUBLIC_HOST
from federation.lab.state import Lab
from federation.lab.step import Step, attempted
from federation.lab.story.measure import Window, climb, noise, windows
from federation.lab.story.play import dressed
from federation.lab.story.scene import CENTRAL, EAST, SETTLE_SECONDS, WEST, Scene, paying, subnet, watched
from federation.lab.topology import PAY, Topology

OVER, STEPS = 20, 10
EACH = OVER // STEPS
"""Seconds of one step."""
SLACK = 4.0
"""Points beyond the noise of counting: a window of a second may hold the border of two steps."""
STEADY = 150
"""Answers in two seconds, of the 200 that the clients ask for."""
COMMAND_SECONDS = 160.0
"""The exchange of a key gives up after 150 s at most, and says then who is to blame."""
DNS_SECONDS = 5.0
GONE_SECONDS = 3.0


def drain(lab: Lab, topology: Topology, say: Callable[[str], None], up_seconds: float | None) -> Iterator[Step]:
    """The story in a lab that is up."""
    if lab.rtt_ms is not None:
        raise errors.bad_argument("the drain story has round trips of its own: raise the lab without --rtt")
    scene = Scene(lab, topology)
    say(
        f"{EAST} is drained over {OVER} s here; traffic comes back by {scene.back.percent} % per {scene.back.seconds} s"
    )
    yield from attempted(lab, dressed, lambda: dressed(scene, up_seconds))
    with watched(scene):
        for act in (foretold, drained, returned, by_the_ledger, without_controllers):
            yield from attempted(lab, act, partial(act, scene))


def command(scene: Scene, *words: str) -> str:
    """What an `isthmus` command prints, as an operator on the machine would run it. LabError with its words when it
    refuses.
    """
    return printed(f"isthmus {' '.join(words)}", process.isthmus(*words))


def printed(what: str, line: list[str]) -> str:
    """What this command line prints, called `what`. LabError with its words when it refuses."""
    try:
        done = subprocess.run(line, capture_output=True, text=True, timeout=COMMAND_SECONDS, env=process.environment())
    except subprocess.TimeoutExpired:
        raise errors.not_ready(COMMAND_SECONDS, f"{what} has not ended") from None
    if done.returncode:
        raise errors.command_failed(what, (done.stderr or done.stdout).strip())
    return done.stdout


def _api(scene: Scene, member: str) -> tuple[str, str]:
    return "--api", str(look.api_socket(scene.lab, member))


def _moves(scene: Scene, member: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = look.status(scene.lab, member)["moves"]["drains"]
    return found


def foretold(scene: Scene) -> list[Step]:
    """1: a dry run tells whose shares change, and begins nothing."""
    said = json.loads(command(scene, "drain", EAST, "--dry-run", "--output", "json", *_api(scene, EAST)))
    changes = {(row["of"], row["from"]): row for row in said["changes"]}
    row = changes.get((f"shop/{PAY}", WEST), {})
    good = row.get("before") == {EAST: 1_000_000} and row.get("after") == {CENTRAL: 1_000_000}
    begun = _moves(scene, EAST)
    told = f"{len(changes)} change; shop/{PAY} from {WEST}: {row.get('before')} to {row.get('after')}"
    measured = f"{told}; {len(begun)} drains under way"
    return [Step("1 dry run", f"shop/{PAY} in {WEST} goes to {CENTRAL}, nothing begun", measured, good and not begun)]


def drained(scene: Scene) -> list[Step]:
    """2: East is drained over 20 s: its share falls by a tenth of it every two seconds, on every peer, then in DNS."""
    with paying(scene) as clients:
        process.wait_for(scene.lab, lambda: _unsteady(clients), SETTLE_SECONDS)
        over = ("--over", f"{OVER}s", "--reason", "the drain story")
        said = json.loads(command(scene, "drain", EAST, *over, "--output", "json", *_api(scene, EAST)))
        since = said["since"] / 1_000
        time.sleep(max(0.0, since + OVER + DNS_SECONDS - time.time()))
        end = time.time() - 1.0
    both = [one for answers in clients.values() for one in answers]
    found = windows(both, since, OVER)
    return [
        _falls(both, found),
        _over_everywhere(scene),
        _left_dns(scene, since),
        _gone("2 gone", both, since + OVER - EACH + 1.0, end),
    ]


def _unsteady(clients: dict[str, list[Answer]]) -> str:
    """Who else than East answered in the last two seconds: a return that is under way would be counted as the drain."""
    now = time.time()
    found = [one for answers in clients.values() for one in answers if one["t"] > now - 2.0]
    strays = [one for one in found if one["member"] != EAST]
    if len(found) < STEADY:
        return f"{len(found)} answers in two seconds"
    return f"{len(strays)} of {len(found)} answers are not by {EAST}: {look.told(strays[0])}" if strays else ""


def _falls(both: Sequence[Answer], found: Sequence[Window]) -> Step:
    """Each second within the step that its age asks for; a second that holds a border may be at the step before."""
    wrong = []
    for place, window in enumerate(found):
        step = place // EACH + 1
        least, most = 100.0 * (STEPS - step) / STEPS, 100.0 * (STEPS - step + (place % EACH == 0)) / STEPS
        percent, loose = window.percent(EAST), SLACK + noise(most, window.count)
        if not least - loose <= percent <= most + loose:
            wrong.append(f"second {place}: {percent:.0f} % is not {least:.0f} to {most:.0f}")
    failed = [one for one in both if not one["ok"]]
    shares = " ".join(f"{one.percent(EAST):.0f}" for one in found)
    said = f"by second {shares} % of {len(both)}, {len(failed)} failed"
    first = f" ({look.told(failed[0])})" if failed else ""
    expected = f"{EAST} loses {100 // STEPS} % every {EACH} s in {WEST}, 0 failed"
    return Step("2 in steps", expected, "; ".join((said + first, *wrong[:2])), not wrong and not failed)


def _over_everywhere(scene: Scene) -> Step:
    """Every controller says that nothing of web or pay goes to East from there, and that the drain is at its end."""
    left = []
    for name in scene.topology.names:
        for service in ("web", PAY):
            share = look.explain(scene.lab, name, f"shop/{service}").get(EAST, 0)
            left += [f"{name} sends {share} ppm of shop/{service}"] if share else []
        steps = [row["step"] for row in _moves(scene, name) if row["member"] == EAST]
        left += [] if steps == [STEPS] else [f"{name} is at step {steps}"]
    measured = "; ".join(left) or f"0 in {len(scene.topology.names)} members, each at step {STEPS}"
    return Step("2 every peer", f"nothing goes to {EAST} from anywhere", measured, not left)


def _left_dns(scene: Scene, since: float) -> Step:
    """No server gives East's address to anybody soon after the last step; each gave it before the drain."""
    address, ecs = scene.member(EAST).public, subnet(scene.member(EAST))
    took, never = 0.0, []
    for name in scene.topology.names:
        replies = [one for one in scene.polls[name].replies if one.question.subnet == ecs and address in one.addresses]
        if not replies or replies[0].t > since:
            never.append(f"{name} did not give it before")
            continue
        took = max(took, max(one.t for one in replies) - since)
    last = OVER - EACH
    expected = f"a client of {EAST} leaves its address of {PUBLIC_HOST} at one of the steps, the last is at {last} s"
    good = not never and took <= last + DNS_SECONDS
    return Step("2 DNS", expected, "; ".join((f"last given after {took:.1f} s", *never)), good)


def _gone(name: str, both: Sequence[Answer], begin: float, end: float) -> Step:
    after = [one for one in both if begin <= one["t"] <= end]
    stray = [one for one in after if one["member"] == EAST]
    measured = f"{len(stray)} of {len(after)}"
    return Step(name, f"no request by {EAST} after the last step", measured, bool(after) and not stray)


def returned(scene: Scene) -> list[Step]:
    """3: after undrain East comes back by the policy's ramp, and no request fails."""
    rising = 100 // scene.back.percent * scene.back.seconds
    with paying(scene) as clients:
        command(scene, "undrain", EAST, *_api(scene, EAST))
        since = _back_since(scene)
        time.sleep(max(0.0, since + rising + 6 - time.time()))
    both = [one for answers in clients.values() for one in answers]
    found = windows(both, since, rising + 5)
    seen = climb(found, EAST, since, 0.0, scene.back)
    failed = [one for one in both if not one["ok"]]
    shares = " ".join(f"{one.percent(EAST):.0f}" for one in found)
    whole = "never all" if seen.full is None else f"all after {seen.full:.0f} s"
    measured = f"by second {shares} % of {len(both)}, {whole}, {len(failed)} failed"
    expected = f"{scene.back.percent} % per {scene.back.seconds} s, not faster, all in {rising + 3} s, 0 failed"
    good = seen.full is not None and seen.full <= rising + 3 and seen.worst <= SLACK and not failed
    return [Step("3 undrain", expected, measured, good)]


def _back_since(scene: Scene) -> float:
    """When East began to come back for clients in West, in Unix seconds."""
    process.wait_for(
        scene.lab, lambda: "" if scene.inputs(WEST, PAY, EAST)["since"] else f"{EAST} is not back yet", SETTLE_SECONDS
    )
    return float(scene.inputs(WEST, PAY, EAST)["since"]) / 1_000


def by_the_ledger(scene: Scene) -> list[Step]:
    """4: the registrar drains Central for everybody by an entry of the ledger, and ends that."""
    state = ("--federation", "--state", str(scene.lab.member(EAST) / "state"))
    command(scene, "drain", CENTRAL, *state)
    process.wait_for(scene.lab, lambda: _unlike(scene, ["ledger"]), SETTLE_SECONDS)
    left = look.explain(scene.lab, CENTRAL, f"shop/{PAY}")
    command(scene, "undrain", CENTRAL, *state)
    process.wait_for(scene.lab, lambda: _unlike(scene, []), SETTLE_SECONDS)
    said = f"{CENTRAL} sends shop/{PAY} to {', '.join(left) or 'nobody'}"
    expected = f"every controller drains {CENTRAL} by the ledger, it sends shop/{PAY} to {EAST}, and all end it"
    return [Step("4 ledger", expected, said, left == {EAST: 1_000_000})]


def _unlike(scene: Scene, wanted: list[str]) -> str:
    """Who does not say that Central is drained by these."""
    found = {name: [m["by"] for m in _moves(scene, name) if m["member"] == CENTRAL] for name in scene.topology.names}
    return "; ".join(f"{name} says {by}" for name, by in found.items() if by != wanted)


def without_controllers(scene: Scene) -> list[Step]:
    """5: every controller is killed; West's node agent and DNS server are told on their own sockets."""
    controllers = [f"{name}-controller" for name in scene.topology.names]
    for name in controllers:
        supervise.kill_program(scene.lab, name)
    folder = scene.lab.member(WEST)
    with paying(scene) as clients:
        time.sleep(2.0)
        told = command(scene, "agent", "drain", EAST, "--state", str(folder / "node"), "--reason", "no controller")
        begin = time.time()
        command(scene, "dns", "drain", EAST, "--state", str(folder / "dns"))
        told_dns = time.time()
        time.sleep(GONE_SECONDS + 3.0)
        end = time.time() - 1.0
    both = [one for answers in clients.values() for one in answers]
    failed = [one for one in both if not one["ok"]]
    dead = [name for name in controllers if not process.alive(scene.lab.programs[name])]
    rows = [
        _gone("5 node agent", both, begin + 1.0, end),
        Step(
            "5 no failure",
            "0 failed, every controller dead",
            f"{len(failed)} of {len(both)}, {len(dead)} dead",
            not failed and len(dead) == len(controllers),
        ),
        _dns_told(scene, told_dns),
    ]
    command(scene, "agent", "undrain", EAST, "--state", str(folder / "node"))
    command(scene, "dns", "undrain", EAST, "--state", str(folder / "dns"))
    look.until(scene.lab, WEST, WEST, SETTLE_SECONDS)
    said = told.strip()
    return [
        *rows,
        Step("5 said", "the agent says what it holds", said, said.startswith(f"{EAST} is drained here since")),
    ]


def _dns_told(scene: Scene, begin: float) -> Step:
    address, ecs = scene.member(EAST).public, subnet(scene.member(EAST))
    asked = [one for one in scene.polls[WEST].replies if one.question.subnet == ecs]
    given = [one.t - begin for one in asked if address in one.addresses]
    took = max(given, default=0.0)
    newest = max(asked, key=lambda one: one.t)
    measured = f"last given after {max(0.0, took):.1f} s, at the end {', '.join(newest.addresses) or newest.rcode}"
    good = bool(given) and took <= GONE_SECONDS and bool(newest.addresses) and address not in newest.addresses
    return Step("5 DNS server", f"{WEST} gives {EAST}'s address no more after {GONE_SECONDS:g} s", measured, good)
