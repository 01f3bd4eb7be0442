"""A public name's target fails: until the evidence of it is there, and from then until the last DNS server answers anew;
and the same where a member says itself that nobody is ready.
"""

import json
import statistics
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime

from federation.lab import netns, process
from federation.lab.dns_client import Poller, Question, polling
from federation.lab.manifests import PUBLIC_HOST
from federation.lab.state import Lab
from federation.lab.story.measure import last_given
from federation.lab.story.scene import WEB_EACH, Scene, subnet
from federation.lab.topology import LAB, WEB, Member
from tests.bench.failover import dressed
from tests.bench.raised import raised
from tests.bench.row import Row, quantile, rounded, void

DETECTION, PUBLICATION, READINESS = "dns-failure-detection", "dns-failure-publication", "dns-readiness-publication"
NAMES = (DETECTION, PUBLICATION, READINESS)
TARGET = 0.5
ROUNDS = 30
STEADY = 50
POLL = 0.01
CHANGE_SECONDS, RETURN_SECONDS = 15.0, 60.0
HOLE = "add table inet hole; add chain inet hole in {{ type filter hook input priority 0; }}; add rule inet hole in ip daddr {} drop"


@dataclass(frozen=True, slots=True)
class Sample:
    """Unix seconds of one change: `begin`; by server when its own probes knew and when it was first asked that answered
    anew from then on. `victim` is the member whose target went.
    """

    victim: str
    begin: float
    knew: dict[str, float]
    anew: dict[str, float]

    @property
    def enough(self) -> dict[str, float]:
        """When each server's evidence was there (design section 6): its own, and that of one other member on the victim."""
        words = {name: at for name, at in self.knew.items() if name != self.victim}
        return {name: max(at, min(t for one, t in words.items() if one != name)) for name, at in self.knew.items()}

    @property
    def published(self) -> float:
        """The longest that a server took from its evidence to its answers."""
        return max(self.anew[name] - at for name, at in self.enough.items())


def measure(names: tuple[str, ...]) -> list[Row]:
    """One lab for all of them."""
    rows: dict[str, Row] = {}
    with raised() as lab:
        scene = dressed(lab)
        if set(names) - {READINESS}:
            rows |= failure_rows(list(samples(scene, silent)))
        if READINESS in names:
            rows[READINESS] = readiness_row(list(samples(scene, unready)))
    return [rows[name] for name in names]


def samples(scene: Scene, failing: Callable[[Scene, Member], Iterator[None]]) -> Iterator[Sample]:
    """The members in turns, at every phase of the probes."""
    for number in range(ROUNDS):
        victim = scene.member(LAB.names[number % len(LAB.names)])
        yield sample(scene, victim, number * 37 % 100 / 100, failing)


def sample(scene: Scene, victim: Member, pause: float, failing: Callable[[Scene, Member], Iterator[None]]) -> Sample:
    """It fails until all servers left it, and returns."""
    with asking(scene, victim) as polls:
        process.wait_for(scene.lab, lambda: returned(polls, victim), RETURN_SECONDS)
        time.sleep(pause)
        begin = time.time()
        with contextmanager(failing)(scene, victim):
            process.wait_for(scene.lab, lambda: left(polls, victim), CHANGE_SECONDS)
        anew = {name: first_after(poll, victim.public) for name, poll in polls.items()}
        process.wait_for(scene.lab, lambda: returned(polls, victim), RETURN_SECONDS)
    return Sample(victim.name, begin, knew(scene.lab, victim.name, begin), anew)


def silent(scene: Scene, victim: Member) -> Iterator[None]:
    """Whoever connects to the victim's public address hears nothing."""
    space = ("ip", "netns", "exec", netns.ingress(scene.lab.lab, victim.name), "nft")
    subprocess.run([*space, HOLE.format(victim.public)], check=True)
    try:
        yield
    finally:
        subprocess.run([*space, "delete table inet hole"], check=True)


def unready(scene: Scene, victim: Member) -> Iterator[None]:
    """The victim's cluster says that none of the service's endpoints is ready."""
    scene.offer(victim.name, WEB, 0, WEB_EACH)
    try:
        yield
    finally:
        scene.offer(victim.name, WEB, WEB_EACH, WEB_EACH)


@contextmanager
def asking(scene: Scene, victim: Member) -> Iterator[dict[str, Poller]]:
    """Ask every DNS server on its own machine, for the victim's clients."""
    with ExitStack() as stack:
        yield {
            one.name: stack.enter_context(
                polling(
                    netns.machine(scene.lab.lab, one.name),
                    [Question(one.gateway, PUBLIC_HOST, subnet(victim))],
                    POLL,
                )
            )
            for one in scene.topology.members
        }


def returned(polls: dict[str, Poller], victim: Member) -> str:
    """For wait_for: every server gives the victim's clients its address, and nothing else."""
    for name, poll in polls.items():
        last = poll.replies[-STEADY:]
        if len(last) < STEADY or any(one.addresses != (victim.public,) for one in last):
            return f"{name}'s DNS server does not give {victim.name}'s address"
    return ""


def left(polls: dict[str, Poller], victim: Member) -> str:
    """For wait_for: no server gives the victim's address any more."""
    for name, poll in polls.items():
        last = poll.replies[-STEADY:]
        if any(not one.addresses or victim.public in one.addresses for one in last):
            return f"{name}'s DNS server gives {victim.name}'s address"
    return ""


def first_after(poll: Poller, address: str) -> float:
    """When the first question was asked after the last one that was answered with this address."""
    last = last_given(poll.replies, address) or 0.0
    return min(one.t for one in poll.replies if one.t > last)


def knew(lab: Lab, victim: str, begin: float) -> dict[str, float]:
    """When each server's own probes found the target down, by its log."""
    found: dict[str, float] = {}
    for name in LAB.names:
        for line in lab.log(f"{name}-dns").read_text().splitlines():
            said = json.loads(line) if '"verdict"' in line else {}
            at = datetime.fromisoformat(said["time"]).timestamp() if said else 0.0
            if at >= begin and not said["up"] and f"member='{victim}'" in said["target"]:
                found.setdefault(name, at)
    return found


def failure_rows(found: Sequence[Sample]) -> dict[str, Row]:
    """Detection until the last server's evidence is there, publication from there on."""
    names = (DETECTION, PUBLICATION)
    whole = [one for one in found if len(one.knew) == len(LAB.names)]
    if len(whole) < ROUNDS:
        return {name: void(name, "s", f"{len(whole)} of {ROUNDS} were seen by every server") for name in names}
    detected = [max(one.enough.values()) - one.begin for one in whole]
    first = [min(one.knew.values()) - one.begin for one in whole]
    total = [max(one.anew.values()) - one.begin for one in whole]
    strict = [max(one.anew.values()) - min(one.knew.values()) for one in whole]
    why = "a public address falls silent, until every server's own probes and one other member's say so"
    probes = "probes each 0.5 s, two in a row must fail, each after 0.9 s"
    also = f"the first server's own probes {spread(first)}; until the last answers anew {spread(total)}"
    words = "from a server's own verdict and another member's, whichever is later, until it answers anew: the slowest of three"
    return {
        DETECTION: Row(
            DETECTION, rounded(statistics.median(detected)), "s", ROUNDS, f"{spread(detected)}; {why}; {probes}; {also}"
        ),
        PUBLICATION: p99(
            PUBLICATION,
            [one.published for one in whole],
            f"{words}; round trips of 60, 90 and 140 ms between them; from the very first verdict to the last answer, "
            f"which contains the others' own probes, {spread(strict)}",
        ),
    }


def readiness_row(found: Sequence[Sample]) -> Row:
    """From the manifest to the last server."""
    took = [max(one.anew.values()) - one.begin for one in found]
    return p99(
        READINESS, took, "a member's manifest says that nobody is ready, until the last of three servers answers anew"
    )


def p99(name: str, took: Sequence[float], note: str) -> Row:
    """Of so few samples the p99 is the longest."""
    return Row(
        name,
        rounded(quantile(took, 0.99)),
        "s",
        len(took),
        f"p99 of {len(took)}, so the longest; {spread(took)}; {note}; asked each {POLL:g} s",
        TARGET,
    )


def spread(took: Iterable[float]) -> str:
    """Median, p90 and maximum in words."""
    found = list(took)
    return f"median {statistics.median(found):.2f}, p90 {quantile(found, 0.9):.2f}, max {max(found):.2f} s"
