"""Steps 1 and 2: links, a new endpoint, and every region served by itself."""

import time
from concurrent.futures import ThreadPoolExecutor

from federation.lab import look, netns, process
from federation.lab.admission import admitted
from federation.lab.dns_client import Question, ask
from federation.lab.manifests import PUBLIC_HOST
from federation.lab.ping import ping
from federation.lab.step import Step
from federation.lab.story.measure import by_member
from federation.lab.story.scene import EAST, SETTLE_SECONDS, WEB_EACH, WEST, Scene, subnet, url
from federation.lab.topology import PAY, WEB

NEW_ENDPOINT_MS = 1000
REQUESTS = 300


def links(scene: Scene) -> list[Step]:
    """1 links: every pair has a link that is up, with its round trip and a handshake at both ends."""
    rows = []
    for a, b, planned in scene.topology.wan:
        process.wait_for(scene.lab, lambda a=a, b=b, p=planned: _unlinked(scene, a, b, p), SETTLE_SECONDS)  # type: ignore[misc]
        ends = [_link(scene, *way) for way in ((a, b), (b, a))]
        echoes = ping(netns.machine(scene.lab.lab, a), scene.member(b).underlay)
        trip = min((ms for ms in echoes if ms is not None), default=-1.0)
        ages = " and ".join(f"{end['handshake_age']} s" for end in ends)
        seen = [end["rtt_us"] / 1000 for end in ends]
        said = " and ".join(f"{ms:.1f}" for ms in seen)
        rows.append(
            Step(
                f"1 link {a} - {b}",
                f"up at both ends, round trip {planned:g} ms",
                f"up, gateways measured {said} ms (an echo beside the tunnel {trip:.1f}), handshakes {ages} ago",
                all(_near(planned, ms) for ms in (trip, *seen)),
            )
        )
    return rows


def _near(planned: float, ms: float) -> bool:
    return planned - 0.5 <= ms <= planned * 1.05 + 5


def _link(scene: Scene, here: str, there: str) -> look.Answer:
    rows = [row for row in look.status(scene.lab, here)["links"] if row["member"] == there]
    return dict(rows[0]) if rows else {}


def _unlinked(scene: Scene, a: str, b: str, planned: float) -> str:
    """What is missing. A round trip is smoothed over seconds, of which the first may be those of a machine that starts
    thirty programs.
    """
    for here, there in ((a, b), (b, a)):
        end = _link(scene, here, there)
        if not end or end["handshake_age"] < 0 or end["rtt_us"] < 0 or not end["up"]:
            return f"the link {here} - {there} is {end or 'absent'}"
        if not _near(planned, end["rtt_us"] / 1000):
            return f"the round trip {here} - {there} is measured as {end['rtt_us'] / 1000:.1f} ms"
    return ""


def new_endpoint(scene: Scene) -> list[Step]:
    """1 new endpoint: its first answer in another region."""
    new = scene.member(EAST).pods(PAY)[1].name
    args = ("--count", "0", "--deadline", str(SETTLE_SECONDS), "--until-endpoint", new)
    measured, ms = "no answer bore its name", float("inf")
    with look.watching(scene.lab, WEST, *args, url=url(PAY)) as answers:
        lines = iter(answers)
        next(lines)
        changed = time.time()
        scene.offer(EAST, PAY, 2, 2)
        for one in lines:
            if one["endpoint"] == new:
                ms = (one["t"] - changed) * 1000 + one["ms"]
                measured = f"{ms:.0f} ms"
    expected = f"{new} answers in {WEST} within {NEW_ENDPOINT_MS} ms"
    return [Step("1 new endpoint", expected, measured, ms <= NEW_ENDPOINT_MS)]


def own_region(scene: Scene) -> list[Step]:
    """2 own region: every client is served by its own region."""
    names = scene.topology.names
    for name in names:
        scene.settle({name: 1_000_000}, WEB, name)
    with ThreadPoolExecutor(len(names)) as threads:
        found = list(threads.map(lambda name: by_member(look.fetch(scene.lab, name, REQUESTS)), names))
    told = [f"{name} {by.get(name, 0)} of {sum(by.values())}" for name, by in zip(names, found, strict=True)]
    good = all(by == {name: REQUESTS} for name, by in zip(names, found, strict=True))
    return [
        Step("2 own region", f"{REQUESTS} of {REQUESTS} in each region, {WEB_EACH} endpoints", ", ".join(told), good)
    ]


def public_name(scene: Scene) -> list[Step]:
    """2 public name: DNS gives every client its own region's address, which answers from there."""
    replies = wrong = 0
    first, members = "", scene.topology.members
    for near in members:
        for server in members:
            machine = netns.machine(scene.lab.lab, near.name)
            elsewhere = netns.machine(scene.lab.lab, members[(members.index(near) + 1) % len(members)].name)
            questions = (
                (machine, Question(server.underlay, PUBLIC_HOST)),
                (elsewhere, Question(server.underlay, PUBLIC_HOST, subnet(near))),
            )
            for space, question in questions:
                reply = ask(space, question)
                replies += 1
                if reply.addresses != (near.public,):
                    wrong += 1
                    how = f"subnet {question.subnet}" if question.subnet else f"resolver in {near.name}"
                    said = ", ".join(reply.addresses) or reply.rcode or "silence"
                    first = first or f"; first other: {said} from {server.name} for {how}"
    served = sum(_fetched(scene, member.name) == (member.public, member.name) for member in members)
    measured = f"{replies - wrong} of {replies}, {served} of {len(members)} fetches answered there{first}"
    return [
        Step(
            "2 public name",
            f"{replies} of {replies} replies (by resolver and by client subnet, each server) name the own region",
            measured,
            not wrong and served == len(members),
        )
    ]


def _fetched(scene: Scene, member: str) -> tuple[str, str]:
    """The address at which a client finds the public name by its own resolver, and who answers there."""
    [one] = look.fetch(scene.lab, member, 1, url=f"http://{PUBLIC_HOST}/")
    return one["address"], one["member"]


def access(scene: Scene) -> list[Step]:
    """2 access: East's policy for pay leaves West's clients out, and lets them in again."""
    return [admitted(scene.lab, "2 access", WEST, EAST, PAY, url(PAY))]


STEPS = (links, new_endpoint, own_region, access, public_name)
