"""Regions lose sight of each other, and their DNS servers answer: nobody is left without need, and no live name is ever
answered empty. Then the public name gets a tree of policies.
"""

import time
from collections.abc import Callable, Iterator
from functools import partial

from federation.lab import errors, manifests, process, supervise, weather
from federation.lab.cluster import cluster_of
from federation.lab.dns_client import Question, ask
from federation.lab.manifests import PUBLIC_HOST
from federation.lab.netns import machine
from federation.lab.state import Lab
from federation.lab.step import Step, attempted
from federation.lab.story.lost import live_row
from federation.lab.story.play import dressed
from federation.lab.story.scene import CENTRAL, EAST, WEB_EACH, WEST, Scene, subnet, watched
from federation.lab.topology import WEB, Topology

ALONE_SECONDS, CHANGE_SECONDS, BACK_SECONDS = 20.0, 25.0, 60.0
"""By its own word alone a server leaves a target after ten seconds."""

TREE = [
    {"name": "nets", "subnets": [{"match": ["10.1.0.0/16"], "to": ["policy/levels"]}], "otherwise": ["*"]},
    {"name": "levels", "failover": [f"member/{CENTRAL}", f"member/{WEST}"]},
]
"""East's clients go to Central, and to West when Central is lost."""

Said = dict[tuple[str, str], str]
"""By server and the member whose clients ask: the member whose address they get; "" for none."""


def splits(lab: Lab, topology: Topology, say: Callable[[str], None], up_seconds: float | None) -> Iterator[Step]:
    """The story in a lab that is up."""
    if lab.rtt_ms is not None:
        raise errors.bad_argument("the splits story has round trips of its own: raise the lab without --rtt")
    scene = Scene(lab, topology)
    yield from attempted(lab, dressed, lambda: dressed(scene, up_seconds))
    with watched(scene):
        for act in (two_apart, alone, sick_and_alone, without_controllers, by_a_tree):
            yield from attempted(lab, act, partial(act, scene))


def said(scene: Scene) -> Said:
    """What every server tells the clients of East and West now."""
    found: Said = {}
    by_address = {scene.member(name).public: name for name in scene.topology.names}
    for server in scene.topology.members:
        for client in (EAST, WEST):
            question = Question(server.gateway, PUBLIC_HOST, subnet(scene.member(client)))
            reply = ask(machine(scene.lab.lab, server.name), question)
            found[server.name, client] = ", ".join(by_address.get(one, one) for one in reply.addresses)
    return found


def wanted(everywhere: dict[str, str], **others: dict[str, str]) -> Said:
    """What is expected of each server: the same, but for these."""
    found: Said = {}
    for server in (EAST, WEST, CENTRAL):
        for client in (EAST, WEST):
            found[server, client] = (everywhere | others.get(server.replace("-", "_"), {}))[client]
    return found


HOME = {EAST: EAST, WEST: WEST}


def comes(scene: Scene, name: str, expected: str, wish: Said, seconds: float) -> Step:
    """A row: all servers say so within so many seconds."""
    begin = time.time()

    def unlike() -> str:
        found = said(scene)
        return "; ".join(
            f"{server} gives clients of {client} {found[server, client] or 'nothing'}, not {member}"
            for (server, client), member in wish.items()
            if found[server, client] != member
        )

    process.wait_for(scene.lab, unlike, seconds)
    return Step(name, f"{expected} within {seconds:g} s", f"after {time.time() - begin:.1f} s", True)


def stays(scene: Scene, name: str, expected: str, wish: Said, seconds: float) -> Step:
    """A row: all servers say so all the time."""
    end, odd = time.time() + seconds, ""
    while time.time() < end and not odd:
        found = said(scene)
        odd = next((f"{at[0]} gives clients of {at[1]} {found[at]}" for at in wish if found[at] != wish[at]), "")
    return Step(name, f"{expected} for {seconds:g} s", odd or "so it was", not odd)


def two_apart(scene: Scene) -> list[Step]:
    """1 apart: two regions lose each other, and the third moves nobody."""
    begin = time.time()
    weather.cut(scene.lab, EAST, CENTRAL)
    left = wanted(HOME, eu_central={EAST: WEST})
    rows = [comes(scene, "1 apart", f"{CENTRAL} alone leaves {EAST}, by its own word", left, CHANGE_SECONDS)]
    weather.heal(scene.lab, EAST, CENTRAL)
    rows.append(comes(scene, "1 together", "every server gives everybody the nearest", wanted(HOME), BACK_SECONDS))
    return [*rows, live_row(scene, "1 live names", begin)]


def alone(scene: Scene) -> list[Step]:
    """2 alone: a region is cut off from all, the others leave it, and its own server goes on as before."""
    begin = time.time()
    weather.cut(scene.lab, EAST)
    moved = wanted({EAST: WEST, WEST: WEST}, us_east=HOME)
    rows = [comes(scene, "2 alone", f"all but {EAST} itself leave it", moved, CHANGE_SECONDS)]
    rows.append(
        stays(scene, "2 stays", f"{EAST} cannot tell its own loss from that of all others", moved, ALONE_SECONDS)
    )
    weather.heal(scene.lab, EAST)
    rows.append(comes(scene, "2 together", "every server gives everybody the nearest", wanted(HOME), BACK_SECONDS))
    return [*rows, live_row(scene, "2 live names", begin)]


def sick_and_alone(scene: Scene) -> list[Step]:
    """3 sick: a region says that nothing of it is ready, then it is cut off: its own server names the others."""
    begin = time.time()
    scene.offer(EAST, WEB, 0, WEB_EACH)
    left = wanted({EAST: WEST, WEST: WEST})
    rows = [comes(scene, "3 sick", f"every server leaves {EAST}", left, CHANGE_SECONDS)]
    weather.cut(scene.lab, EAST)
    rows.append(stays(scene, "3 sick and alone", f"so does {EAST}'s own, which reaches nobody", left, ALONE_SECONDS))
    weather.heal(scene.lab, EAST)
    scene.offer(EAST, WEB, WEB_EACH, WEB_EACH)
    rows.append(comes(scene, "3 well", "every server gives everybody the nearest", wanted(HOME), BACK_SECONDS))
    return [*rows, live_row(scene, "3 live names", begin)]


def without_controllers(scene: Scene) -> list[Step]:
    """4 controllers: all are killed, and nobody is moved."""
    begin = time.time()
    controllers = [name for name in scene.lab.programs if name.endswith("-controller")]
    for name in controllers:
        supervise.kill_program(scene.lab, name)
    rows = [stays(scene, "4 controllers", f"{len(controllers)} killed: nobody is moved", wanted(HOME), ALONE_SECONDS)]
    supervise.start_dead(scene.lab)
    return [*rows, live_row(scene, "4 live names", begin)]


def by_a_tree(scene: Scene) -> list[Step]:
    """5 tree: the public name gets a tree of policies, and follows it when its first level is lost."""
    begin = time.time()
    cluster = cluster_of(scene.lab, EAST)
    cluster.put(manifests.public_name(scene.back, scene.healthy, routing=TREE))
    levels = wanted({EAST: CENTRAL, WEST: WEST})
    rows = [comes(scene, "5 tree", f"clients of {EAST} go to {CENTRAL}, by their subnet", levels, CHANGE_SECONDS)]
    scene.offer(CENTRAL, WEB, 0, WEB_EACH)
    second = wanted({EAST: WEST, WEST: WEST})
    rows.append(comes(scene, "5 second level", f"{CENTRAL} has nothing ready: to {WEST}", second, CHANGE_SECONDS))
    scene.offer(CENTRAL, WEB, WEB_EACH, WEB_EACH)
    rows.append(comes(scene, "5 first level", f"{CENTRAL} is well again", levels, BACK_SECONDS))
    cluster.put(manifests.public_name(scene.back, scene.healthy))
    rows.append(comes(scene, "5 no tree", "every server gives everybody the nearest", wanted(HOME), BACK_SECONDS))
    return [*rows, live_row(scene, "5 live names", begin)]
