"""Step 6: every controller is dead for good, and a link and an endpoint fail all the same."""

import http.client
import time
from dataclasses import dataclass

from federation.lab import look, netns, process, supervise, weather
from federation.lab.endpoint import SWITCH_PATH
from federation.lab.inside import inside
from federation.lab.look import Answer
from federation.lab.step import Step
from federation.lab.story.envoy import retries
from federation.lab.story.lost import gap_row, live_row
from federation.lab.story.measure import last_given
from federation.lab.story.scene import (
    CENTRAL,
    EAST,
    GAP_SECONDS,
    PACED,
    SETTLE_SECONDS,
    WEST,
    Scene,
    paying,
    subnet,
)
from federation.lab.topology import WEB_PORT, Endpoint

QUIET_SECONDS = 2.0
ALONE_SECONDS = 13.0
"""Design section 6: with no controller a DNS server has its own evidence alone, and that must hold for 10 s."""

RESTART_REQUESTS = 50
RESTART_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Seen:
    """What was recorded in West, with the cut at `begin`: the clients of pay and the client of web."""

    begin: float
    end: float
    clients: dict[str, list[Answer]]
    web: list[Answer]
    sent_again: int


def without_controllers(scene: Scene) -> list[Step]:
    """6 dead: with every controller killed, a cut link and a failing endpoint are left within the bar."""
    controllers = [f"{name}-controller" for name in scene.topology.names]
    for name in controllers:
        supervise.kill_program(scene.lab, name)
    victim = scene.member(WEST).endpoints[1]
    sent_again = retries(scene.lab, WEST)
    with paying(scene) as clients, look.recording(scene.lab, WEST, *PACED) as web:
        time.sleep(QUIET_SECONDS)
        begin = time.time()
        weather.cut(scene.lab, EAST, WEST)
        tell(scene, WEST, victim, well=False)
        restarted = _restarts(scene)
        time.sleep(max(0.0, begin + ALONE_SECONDS + 1.0 - time.time()))
        end = time.time() - 1.0
    seen = Seen(begin, end, clients, web, retries(scene.lab, WEST) - sent_again)
    weather.heal(scene.lab, EAST, WEST)
    tell(scene, WEST, victim, well=True)
    return [
        *(gap_row(f"6 gap {method}", found, begin, end, seen.sent_again) for method, found in clients.items()),
        _vanished(seen, victim),
        _forgotten(scene, begin),
        *restarted,
        live_row(scene, "6 live names", begin),
        _still_dead(scene, controllers),
    ]


def tell(scene: Scene, member: str, pod: Endpoint, well: bool) -> None:
    """Let a pod say of itself at /healthz that it is well or not; OSError when it cannot be told."""

    def post() -> None:
        connection = http.client.HTTPConnection(pod.address, WEB_PORT, timeout=5)
        connection.request("POST", f"{SWITCH_PATH}?ok={str(well).lower()}")
        connection.getresponse().read()
        connection.close()

    inside(netns.machine(scene.lab.lab, member), post)


def _vanished(seen: Seen, victim: Endpoint) -> Step:
    before = sum(one["endpoint"] == victim.name for one in seen.web if one["t"] < seen.begin)
    after = [one for one in seen.web if seen.begin <= one["t"] <= seen.end]
    last = max((one["t"] for one in after if one["endpoint"] == victim.name), default=seen.begin) - seen.begin
    failed = [one for one in after if not one["ok"]]
    first = f" ({look.told(failed[0])})" if failed else ""
    return Step(
        "6 endpoint",
        f"{victim.name} fails its probe and answers nobody after {GAP_SECONDS:g} s, 0 failed",
        f"last answer after {last:.2f} s ({before} before), {len(failed)} of {len(after)} failed{first}",
        before > 0 and last <= GAP_SECONDS and bool(after) and not failed,
    )


def _forgotten(scene: Scene, begin: float) -> Step:
    """The servers at both ends of the cut link stop giving each other's address to each other's clients."""
    told, good = [], True
    for server, lost in ((WEST, EAST), (EAST, WEST)):
        ecs, address = subnet(scene.member(lost)), scene.member(lost).public
        replies = [one for one in scene.polls[server].replies if one.question.subnet == ecs and one.rcode]
        last = last_given(replies, address)
        given = last is not None and last >= begin - 1.0
        took = last - begin if last is not None and given else 0.0
        newest = max(replies, key=lambda one: one.t)
        gone = bool(newest.addresses) and address not in newest.addresses
        told.append(f"{server} {took:.1f} s" + ("" if gone else " and on") + ("" if given else ", never gave it"))
        good = good and given and gone and took <= ALONE_SECONDS
    expected = (
        f"{WEST} and {EAST} give each other's address for at most {ALONE_SECONDS:g} s (own evidence must hold 10 s)"
    )
    return Step("6 DNS", expected, ", ".join(told), good)


def _restarts(scene: Scene) -> list[Step]:
    """Kill the node proxy and the DNS server of Central, which has no part in the cut, and start them again; both must
    serve from disk.
    """
    rows = [_restarted_dns(scene)]
    proxy = f"{CENTRAL}-node-envoy"
    supervise.kill_program(scene.lab, proxy)
    begin = time.monotonic()
    supervise.start_program(scene.lab, proxy)
    look.until(scene.lab, CENTRAL, CENTRAL, RESTART_SECONDS)
    took = time.monotonic() - begin
    answers = look.fetch(scene.lab, CENTRAL, RESTART_REQUESTS)
    good = sum(one["ok"] and one["member"] == CENTRAL for one in answers)
    rows.append(
        Step(
            "6 Envoy",
            f"killed, started: {RESTART_REQUESTS} of {RESTART_REQUESTS} by {CENTRAL} within {RESTART_SECONDS:g} s",
            f"first answer after {took:.1f} s, then {good} of {len(answers)}",
            good == RESTART_REQUESTS,
        )
    )
    return rows


def _restarted_dns(scene: Scene) -> Step:
    name = f"{CENTRAL}-dns"
    supervise.kill_program(scene.lab, name)
    killed = time.time()
    supervise.start_program(scene.lab, name)

    def silent() -> str:
        replies = [one for poll in (scene.polls[CENTRAL], scene.live[CENTRAL]) for one in poll.replies]
        asked = {one.question for one in replies}
        asked -= {one.question for one in replies if one.t > killed and one.addresses}
        return f"{name} does not answer for {', '.join(sorted(one.host for one in asked))}" if asked else ""

    process.wait_for(scene.lab, silent, SETTLE_SECONDS)
    took = time.time() - killed
    expected = f"killed, started: answers every name again within {RESTART_SECONDS:g} s"
    return Step("6 DNS server", expected, f"after {took:.1f} s", took <= RESTART_SECONDS)


def _still_dead(scene: Scene, controllers: list[str]) -> Step:
    """No controller runs, nor has one been started meanwhile."""
    running = [name for name in controllers if process.alive(scene.lab.programs[name])]
    open_apis = [name for name in scene.topology.names if _answers(scene, name)]
    measured = f"running: {', '.join((*running, *open_apis))}" if running or open_apis else f"{len(controllers)} dead"
    return Step("6 controllers", "killed by SIGKILL, dead to the end", measured, not running and not open_apis)


def _answers(scene: Scene, member: str) -> bool:
    try:
        look.status(scene.lab, member)
    except (OSError, ValueError):
        return False
    return True


STEPS = (without_controllers,)
