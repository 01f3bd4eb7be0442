"""A member with two gateways on two machines: both carry, one is lost and comes back, one gets another key; its pods
are reached by address, by a namespace alone too; one gateway is drained with every controller dead. No request fails.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial

from federation.lab import errors, look, manifests, netns, process, supervise, weather
from federation.lab.cluster import cluster_of
from federation.lab.look import Answer
from federation.lab.manifests import Return
from federation.lab.state import Lab
from federation.lab.step import Step, attempted
from federation.lab.story.drained import command, printed
from federation.lab.story.scene import EAST, SETTLE_SECONDS, WEB_EACH, WEST, Scene
from federation.lab.topology import NAMESPACE, PUBLIC_PORT, WEB, WEB_PORT, Topology

BACK = Return(percent=100, seconds=1)
PACED = ("--rate", "50", "--timeout", "20", "--keep")
FIRST, SECOND = 1, 2
"""The ids of West's gateways."""

LOOK_SECONDS = 6.0
LEAST_PART = 0.25
"""Of what West's gateways send to East: requests go to both in turns."""

LOST_SECONDS = 3.0
"""The slowest request when a gateway vanishes; the bench has the number (`gateway-loss-gap`)."""

HELD_SECONDS, HELD_MOST = 0.5, 20
"""What the lost gateway's connections can hold: what was asked in the last round trip, and what connections that were
free then took before they were all waiting.
"""

GIVEN_UP_SECONDS = 13.0
"""The kernel gives such a connection up after 10 s, at its next retransmission."""

UNMOVED_SECONDS = 1.0


def gateways(lab: Lab, topology: Topology, say: Callable[[str], None], up_seconds: float | None) -> Iterator[Step]:
    """The story in a lab that is up."""
    if lab.rtt_ms is not None:
        raise errors.bad_argument("the gateways story has round trips of its own: raise the lab without --rtt")
    scene = Scene(lab, topology, BACK)
    say(f"{WEST} has two gateways, on {' and '.join(scene.member(WEST).machines)}; clients stand in {EAST}")
    yield from attempted(lab, offered, lambda: offered(scene, up_seconds))
    for act in (both, lost, rotated, by_address, by_namespace, without_controllers):
        yield from attempted(lab, act, partial(act, scene))


def offered(scene: Scene, up_seconds: float | None) -> list[Step]:
    """lab: every program runs, West alone offers shop/web, and both its gateways have links with East."""
    for name in scene.topology.names:
        parts = [manifests.policy(BACK, WEB)]
        if name == WEST:
            listed = [manifests.Listed(pod) for pod in scene.member(WEST).pods(WEB)[:WEB_EACH]]
            parts += [
                manifests.endpoints(listed, WEB),
                manifests.access(manifests.CLIENTS, WEB),
                manifests.exported(WEB),
            ]
        cluster_of(scene.lab, name).only(parts)
    scene.settle({WEST: 1_000_000}, WEB, EAST)
    process.wait_for(scene.lab, lambda: _unlinked(scene, (FIRST, SECOND)), SETTLE_SECONDS)
    took = "was up already" if up_seconds is None else f"up in {up_seconds:.1f} s"
    expected = f"{WEST} alone offers shop/web, and both its gateways have links with {EAST}"
    return [Step("lab", expected, f"{len(scene.lab.programs)} programs run, {took}", True)]


def both(scene: Scene) -> list[Step]:
    """1 both carry: each of West's gateways sends a good part of the answers."""
    with look.recording(scene.lab, EAST, *PACED) as answers:
        process.wait_for(scene.lab, lambda: "" if answers else "no answer yet", SETTLE_SECONDS)
        before = _received(scene)
        time.sleep(LOOK_SECONDS)
        after = _received(scene)
    sent = {one: after[one] - before[one] for one in (FIRST, SECOND)}
    total = max(1, sum(sent.values()))
    parts = ", ".join(f"gateway {one} {100 * count / total:.0f} %" for one, count in sent.items())
    good = min(sent.values()) >= LEAST_PART * total
    expected = f"each of {WEST}'s gateways sends at least {100 * LEAST_PART:.0f} % of the bytes, 0 failed"
    return [_unfailed("1 both carry", expected, answers, LOST_SECONDS, good, parts)]


def lost(scene: Scene) -> list[Step]:
    """2 lost: the second gateway is cut off under load and comes back; nothing fails but what its connections held."""
    machine = scene.member(WEST).second_machine
    with look.recording(scene.lab, EAST, *PACED) as answers:
        time.sleep(2.0)
        cut = time.time()
        weather.cut(scene.lab, machine)
        process.wait_for(scene.lab, lambda: _still(scene, SECOND), SETTLE_SECONDS)
        time.sleep(GIVEN_UP_SECONDS)
        weather.heal(scene.lab, machine)
        process.wait_for(scene.lab, lambda: _unlinked(scene, (SECOND,)), SETTLE_SECONDS)
        time.sleep(2.0)
    held = [one for one in answers if not one["ok"] and one["t"] < cut + HELD_SECONDS]
    ended = max((one["ms"] for one in held), default=0.0) / 1_000
    expected = (
        f"{machine} is cut off and healed: what its connections held ends within {GIVEN_UP_SECONDS:g} s, of the rest 0 "
        f"failed, the slowest within {LOST_SECONDS:g} s"
    )
    good = len(held) <= HELD_MOST and ended <= GIVEN_UP_SECONDS
    rest = [one for one in answers if one not in held]
    return [_unfailed("2 lost", expected, rest, LOST_SECONDS, good, f"{len(held)} ended after {ended:.1f} s")]


def rotated(scene: Scene) -> list[Step]:
    """3 another key: the second gateway gets another WireGuard key while it carries; no request waits."""
    with look.recording(scene.lab, EAST, *PACED) as answers:
        time.sleep(2.0)
        said = _gateway(scene, "rotate-key").splitlines()
        process.wait_for(scene.lab, lambda: _unlinked(scene, (SECOND,)), SETTLE_SECONDS)
        time.sleep(2.0)
    done = next((line for line in said if line.startswith("4 of 4")), "it did not end")
    expected = f"another key while it carries: 0 failed, the slowest within {UNMOVED_SECONDS:g} s"
    return [_unfailed("3 another key", expected, answers, UNMOVED_SECONDS, done in said, done)]


def by_address(scene: Scene) -> list[Step]:
    """4 by address: while both members allow it West's pods answer East's where a rule admits East as a whole."""
    at = _address(scene)
    before = _calls(scene, at)
    cluster_of(scene.lab, WEST).put(manifests.access([manifests.Caller(member=EAST)], WEB))
    for here, there in ((EAST, WEST), (WEST, EAST)):
        command(scene, "flat", "allow", there, "--api", str(look.api_socket(scene.lab, here)))
    process.wait_for(scene.lab, lambda: "" if _calls(scene, at) else f"{at} does not answer", SETTLE_SECONDS)
    other = _calls(scene, at.replace(f":{WEB_PORT}", f":{PUBLIC_PORT}"))
    expected = f"{at} answers {EAST}'s pod while both allow it, and nothing else there does"
    said = f"answered before: {before}, while allowed: True, another port: {other}"
    return [Step("4 by address", expected, said, not before and not other)]


def by_namespace(scene: Scene) -> list[Step]:
    """5 by namespace: admitted alone, it opens that port from its egress addresses, and denied nothing does."""
    at, api = _address(scene), ("--api", str(look.api_socket(scene.lab, EAST)))
    cluster_of(scene.lab, WEST).put(manifests.access([manifests.Caller(EAST, NAMESPACE)], WEB))
    process.wait_for(scene.lab, lambda: f"{at} still answers" if _calls(scene, at) else "", SETTLE_SECONDS)
    command(scene, "flat", "egress", NAMESPACE, scene.member(EAST).egress, *api)
    process.wait_for(scene.lab, lambda: "" if _calls(scene, at) else f"{at} does not answer", SETTLE_SECONDS)
    command(scene, "flat", "deny", WEST, *api)
    process.wait_for(scene.lab, lambda: f"{at} still answers" if _calls(scene, at) else "", SETTLE_SECONDS)
    expected = f"{at} answers {EAST}'s namespace {NAMESPACE} from {scene.member(EAST).egress} alone"
    said = "answered under the pod's own address: False, from the egress address: True, denied again: False"
    return [Step("5 by namespace", expected, said, True)]


def _address(scene: Scene) -> str:
    """Where the first of West's pods listens."""
    return f"http://{scene.member(WEST).pods(WEB)[0].address}:{WEB_PORT}/"


def _calls(scene: Scene, at: str) -> bool:
    """Whether East's client gets an answer there."""
    return any(one["ok"] for one in look.fetch(scene.lab, EAST, 1, "--timeout", "1", url=at))


def without_controllers(scene: Scene) -> list[Step]:
    """6 no controller: every controller is killed, the second gateway is drained all the same, and no request waits."""
    controllers = [f"{name}-controller" for name in scene.topology.names]
    with look.recording(scene.lab, EAST, *PACED) as answers:
        for name in controllers:
            supervise.kill_program(scene.lab, name)
        time.sleep(2.0)
        said = _gateway(scene, "drain", "--reason", "no controller")
        time.sleep(2.0)
        _gateway(scene, "undrain")
        time.sleep(2.0)
    dead = [name for name in controllers if not process.alive(scene.lab.programs[name])]
    good = said.startswith("drained:") and len(dead) == len(controllers)
    expected = f"drained with every controller dead: 0 failed, the slowest within {UNMOVED_SECONDS:g} s"
    return [_unfailed("6 no controller", expected, answers, UNMOVED_SECONDS, good, f"{said}, {len(dead)} dead")]


def _unfailed(
    name: str, expected: str, answers: Sequence[Answer], most: float, also: bool = True, told: str = ""
) -> Step:
    failed = [one for one in answers if not one["ok"]]
    slowest = max((one["ms"] for one in answers), default=0.0) / 1_000
    first = f" ({look.told(failed[0])})" if failed else ""
    words = [told] if told else []
    words.append(f"{len(failed)} of {len(answers)} failed{first}, the slowest {slowest:.2f} s")
    good = also and bool(answers) and not failed and slowest <= most
    return Step(name, expected, "; ".join(words), good)


def _gateway(scene: Scene, *words: str) -> str:
    """What `isthmus gateway` says on the second machine. LabError with its words when it refuses."""
    state = ("--state", str(scene.lab.member(WEST) / "gw2"))
    machine = scene.member(WEST).second_machine
    place, private = netns.machine(scene.lab.lab, machine), scene.lab.member(machine) / "wireguard"
    line = process.wrapped(place, process.isthmus("gateway", *words, *state), private)
    return printed(f"isthmus gateway {words[0]}", line).strip()


def _links(scene: Scene) -> dict[int, Answer]:
    """East's links with West's gateways, by their ids."""
    return {int(row["gateway"]): row for row in look.status(scene.lab, EAST)["links"] if row["member"] == WEST}


def _received(scene: Scene) -> dict[int, int]:
    return {one: int(row["rx"]) for one, row in _links(scene).items()}


def _unlinked(scene: Scene, wanted: Sequence[int]) -> str:
    """Which of these has no link that is up, as East's gateway says."""
    links = _links(scene)
    missing = [one for one in wanted if one not in links or links[one]["handshake_age"] is None or not links[one]["up"]]
    return f"{EAST}'s links with gateways {missing} of {WEST} are not up" if missing else ""


def _still(scene: Scene, gateway: int) -> str:
    return f"{EAST}'s link with gateway {gateway} of {WEST} is still up" if _links(scene)[gateway]["up"] else ""
