"""The journey's steps: each does one thing to the lab, looks at it as a user would, and says what it
found.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from itertools import islice

from federation.lab import look, manifests, netns, process, supervise, up
from federation.lab.admission import admitted
from federation.lab.cluster import cluster_of
from federation.lab.inside import pids_in
from federation.lab.look import Answer
from federation.lab.manifests import Listed
from federation.lab.ping import ping
from federation.lab.programs import SERVICE, data_path
from federation.lab.state import Lab
from federation.lab.step import Step, attempted
from federation.lab.topology import AWAY, HOME, Member, Topology

REQUESTS = 20
SHARE_CLIENTS, SHARE_REQUESTS = 20, 25
SHARE_POINTS = 3.0
CHANGE_SECONDS = 20.0
NEW_ENDPOINT_MS = 1000
STEADY = 20


RETURN = manifests.Return(percent=100, seconds=1)
"""The journey waits for no slow return; that is the failover story's."""


@dataclass(slots=True)
class Stage:
    """The lab as the story sees it: clients stand in `home`, the service is first offered by `away` alone."""

    lab: Lab
    topology: Topology
    up_seconds: float | None = None
    hops: list[str] = field(default_factory=list)

    @property
    def home(self) -> Member:
        """The clients' member."""
        return self.topology.member(HOME)

    @property
    def away(self) -> Member:
        """The other region."""
        return self.topology.member(AWAY)

    def offer(self, member: Member, listed: Iterable[Listed]) -> float:
        """Change what a member states; the Unix time just before."""
        now = time.time()
        manifests.set_endpoints(cluster_of(self.lab, member.name), listed)
        return now


def everything_runs(stage: Stage) -> Step:
    """a: every program runs and every member's status is well."""
    process.wait_for(stage.lab, lambda: "; ".join(up.missing(stage.lab, stage.topology)[:1]), up.READY_SECONDS)
    programs = stage.lab.programs
    ended = sorted(name for name, one in programs.items() if not process.alive(one))
    took = "was up already" if stage.up_seconds is None else f"up in {stage.up_seconds:.1f} s"
    measured = f"ended: {', '.join(ended)}" if ended else f"{len(programs)} programs run, {took}"
    return Step("lab", f"{len(programs)} programs run, every node current", measured, not ended)


def link(stage: Stage) -> Step:
    """b: a WireGuard handshake at both ends, and the WAN's round trip."""
    home, away = stage.home, stage.away
    planned = stage.topology.rtt_ms(home.name, away.name) if stage.lab.rtt_ms is None else stage.lab.rtt_ms
    ages = []
    for here, there in ((home, away), (away, home)):
        rows = [row for row in look.status(stage.lab, here.name)["links"] if row["member"] == there.name]
        ages += [row["handshake_age"] for row in rows if row["handshake_age"] is not None]
    trips = [ms for ms in ping(netns.machine(stage.lab.lab, home.name), away.underlay) if ms is not None]
    rtt = min(trips, default=-1.0)
    seen = sum(age >= 0 for age in ages)
    return Step(
        "link",
        f"handshakes at both ends, round trip {planned:g} ms",
        f"{seen} handshakes, round trip {rtt:.1f} ms" if trips else f"{seen} handshakes, no echo",
        seen >= 2 and planned - 0.5 <= rtt <= planned * 1.05 + 3,
    )


def name(stage: Stage) -> Step:
    """c: the name resolves to an address of home's clusterset range."""
    found = look.resolve(stage.lab, stage.home.name)
    stage.hops.append(f"resolver {stage.home.gateway}: {look.HOST} is {', '.join(found)}")
    inside = all(ip_address(text) in ip_network(stage.home.clusterset_prefix) for text in found)
    return Step("name", f"an address in {stage.home.clusterset_prefix}", ", ".join(found), inside)


def across(stage: Stage) -> Step:
    """d: requests are answered in the other region, and the endpoint knows who asked."""
    home, away = stage.home.name, stage.away.name
    before = look.carried(stage.lab, home, away)
    answers = look.fetch(stage.lab, home, REQUESTS)
    caller = f"spiffe://{home}.{stage.topology.domain}/ns/shop/sa/client"
    good = [one for one in answers if one["ok"] and one["member"] == away and one["spiffe"] == caller]
    bad = [
        look.told(one) + f" by {one['member'] or '?'} for {one['spiffe'] or '?'}" for one in answers if one not in good
    ]
    grown = _grown(stage, before)
    if good:
        stage.hops += _hops(stage, good[-1], grown)
    measured = f"{len(good)} of {len(answers)}, median {_median(answers):.0f} ms"
    return Step(
        "across",
        f"{REQUESTS} of {REQUESTS} with 200 by {away}, caller {caller}",
        f"{measured}; first other: {bad[0]}" if bad else f"{measured}, WireGuard +{grown[0]} / +{grown[1]} bytes",
        len(good) == REQUESTS and min(grown) > 0,
    )


def _grown(stage: Stage, before: tuple[int, int]) -> tuple[int, int]:
    """Bytes that the link carried since; agents report now and then, so wait a little for a first growth."""
    end = time.monotonic() + 5
    while True:
        now = look.carried(stage.lab, stage.home.name, stage.away.name)
        grown = (now[0] - before[0], now[1] - before[1])
        if min(grown) > 0 or time.monotonic() > end:
            return grown
        time.sleep(process.POLL_SECONDS)


def _hops(stage: Stage, one: Answer, grown: tuple[int, int]) -> list[str]:
    home, away = stage.home.name, stage.away.name
    return [
        f"client pod {stage.home.client} connects to {one['address']}:80 (clusterset address)",
        f"nft hands it to the node proxy of {home}, which calls on as {one['spiffe']}",
        f"WireGuard {home} - {away}: +{grown[0]} bytes in, +{grown[1]} bytes out over {REQUESTS} requests",
        f"gateway proxy of {away} ({one['by'] or 'not named'}) checks the caller and forwards",
        f"pod {one['endpoint']} answers; {one['ms']:.0f} ms after the client asked for the name",
    ]


def new_endpoint(stage: Stage) -> Step:
    """e: an endpoint is added there; how long until the first answer that bears its name here."""
    pods = stage.away.endpoints[:3]
    new = pods[-1].name
    args = ("--count", "0", "--deadline", str(CHANGE_SECONDS), "--until-endpoint", new)
    measured, ms = "no answer bore its name", float("inf")
    with look.watching(stage.lab, stage.home.name, *args) as answers:
        lines = iter(answers)
        next(lines)
        changed = stage.offer(stage.away, [Listed(pod) for pod in pods])
        for one in lines:
            if one["endpoint"] == new:
                ms = (one["t"] - changed) * 1000 + one["ms"]
                measured = f"{ms:.0f} ms"
    return Step("new endpoint", f"its first answer within {NEW_ENDPOINT_MS} ms", measured, ms <= NEW_ENDPOINT_MS)


def access(stage: Stage) -> Step:
    """A policy there leaves home's clients out, and lets them in again."""
    return admitted(stage.lab, "access", stage.home.name, stage.away.name)


def local_first(stage: Stage) -> Step:
    """f: with ready endpoints at home, all traffic stays at home."""
    stage.offer(stage.home, [Listed(pod) for pod in stage.home.endpoints[:2]])
    _settle(stage, stage.home.name)
    answers = look.fetch(stage.lab, stage.home.name, 50)
    by = _by_member(answers)
    return Step("local first", f"100 % by {stage.home.name}", _shares(by), by == {stage.home.name: len(answers)})


def unready(stage: Stage) -> Step:
    """g: the endpoints at home go unready; traffic crosses again and no request fails."""
    away, steady = stage.away.name, 0
    args = ("--count", "0", "--deadline", str(CHANGE_SECONDS), "--rate", "50", "--parallel", "4")
    with look.watching(stage.lab, stage.home.name, *args) as answers:
        lines = iter(answers)
        before = list(islice(lines, STEADY))
        total, failed = len(before), [look.told(one) for one in before if not one["ok"]]
        changed = stage.offer(stage.home, [Listed(pod, ready=False) for pod in stage.home.endpoints[:2]])
        took = float("nan")
        for one in lines:
            total += 1
            failed += [] if one["ok"] else [look.told(one)]
            steady = steady + 1 if one["member"] == away else 0
            if steady == 1:
                took = (one["t"] - changed) * 1000 + one["ms"]
            if steady == STEADY:
                break
    measured = f"{len(failed)} of {total} failed" + (f" ({failed[0]})" if failed else "")
    measured += f", {away} answers after {took:.0f} ms" if steady else f", {away} never answered"
    return Step("unready", f"{away} answers again, 0 failed", measured, steady == STEADY and not failed)


def shares(stage: Stage) -> Step:
    """h: what explain states is what clients get, with one of four endpoints ready at home."""
    pods = stage.home.endpoints[:4]
    stage.offer(stage.home, [Listed(pod, ready=pod is pods[0]) for pod in pods])
    both = {stage.home.name, stage.away.name}
    process.wait_for(stage.lab, lambda: _explained(stage, both), CHANGE_SECONDS)
    _settle(stage, stage.home.name)
    stated = look.explain(stage.lab, stage.home.name, SERVICE)
    answers = look.fetch(stage.lab, stage.home.name, SHARE_REQUESTS, "--parallel", str(SHARE_CLIENTS))
    by = _by_member(answers)
    gaps = [abs(stated.get(m, 0) / 10_000 - 100 * by.get(m, 0) / max(1, len(answers))) for m in both | set(by)]
    expected = ", ".join(f"{m} {ppm / 10_000:.1f} %" for m, ppm in sorted(stated.items()))
    return Step("explain", f"{expected} (within {SHARE_POINTS:g} points)", _shares(by), max(gaps) <= SHARE_POINTS)


def _explained(stage: Stage, members: set[str]) -> str:
    stated = look.explain(stage.lab, stage.home.name, SERVICE)
    return "" if set(stated) == members else f"explain states shares of {', '.join(sorted(stated)) or 'nobody'} only"


def last_known_good(stage: Stage) -> Step:
    """i: everything is killed, only agents, Envoys and DNS come back; requests are answered from what is
    on disk.
    """
    lab = stage.lab
    manifests.withdraw(cluster_of(lab, stage.home.name))
    process.wait_for(lab, lambda: _explained(stage, {stage.away.name}), CHANGE_SECONDS)
    _settle(stage, stage.away.name)
    killed = kill_members(stage)
    begin = time.monotonic()
    start_data_path(stage)
    look.until(lab, stage.home.name, stage.away.name, CHANGE_SECONDS)
    took = time.monotonic() - begin
    answers = look.fetch(lab, stage.home.name, REQUESTS)
    good = sum(one["ok"] and one["member"] == stage.away.name for one in answers)
    running = sorted(name for name, one in lab.programs.items() if name.endswith("-controller") and process.alive(one))
    measured = f"{killed} processes killed, first answer after {took:.1f} s, then {good} of {len(answers)}"
    return Step(
        "from disk",
        f"no controller, {REQUESTS} of {REQUESTS} by {stage.away.name}",
        f"{measured}; still runs: {running}" if running else measured,
        good == REQUESTS and not running,
    )


def kill_members(stage: Stage) -> int:
    """SIGKILL to every process on the members' machines; how many there were."""
    spaces = [netns.machine(stage.lab.lab, member.name) for member in stage.topology.members]
    count = len(pids_in(spaces))
    process.end_now(spaces)
    return count


def start_data_path(stage: Stage) -> None:
    """Start agents, DNS servers and Envoys of every member again, each by its old command line."""
    wanted = [one for m in stage.topology.members for one in data_path(stage.lab.lab, m, stage.lab.path)]
    for one in sorted(wanted, key=lambda one: one.after is not None):
        if one.after is not None:
            path = one.after
            process.wait_for(stage.lab, lambda: process.there(path), up.START_SECONDS)  # noqa: B023
        supervise.start_program(stage.lab, one.name)


def _settle(stage: Stage, member: str) -> None:
    look.until(stage.lab, stage.home.name, member, CHANGE_SECONDS)
    process.wait_for(stage.lab, lambda: "; ".join(up.missing(stage.lab, stage.topology)[:1]), CHANGE_SECONDS)


def _by_member(answers: list[Answer]) -> dict[str, int]:
    return dict(Counter(one["member"] if one["ok"] else "failed" for one in answers))


def _shares(by: dict[str, int]) -> str:
    total = sum(by.values())
    each = ", ".join(f"{member} {100 * count / total:.1f} %" for member, count in sorted(by.items()))
    return f"{each} of {total}" if total else "no answer"


def _median(answers: list[Answer]) -> float:
    times = sorted(one["ms"] for one in answers)
    return float(times[len(times) // 2]) if times else float("nan")


STEPS: tuple[Callable[[Stage], Step], ...] = (
    everything_runs,
    link,
    name,
    across,
    new_endpoint,
    access,
    local_first,
    unready,
    shares,
    last_known_good,
)


def tell(stage: Stage, step: Callable[[Stage], Step]) -> Step:
    """One step; what goes wrong inside it is its measurement."""
    return attempted(stage.lab, step, lambda: [step(stage)])[0]


def begin(stage: Stage) -> None:
    """What the lab must offer before the first step: the service in `away` alone, and no slow return."""
    pods = [Listed(pod) for pod in stage.away.endpoints[:2]]
    stated = {
        stage.away.name: (manifests.endpoints(pods), manifests.access(manifests.CLIENTS), manifests.exported()),
        stage.home.name: (manifests.policy(RETURN),),
    }
    for member in stage.topology.names:
        cluster_of(stage.lab, member).only(stated.get(member, ()))
    _settle(stage, stage.away.name)


def play(lab: Lab, topology: Topology, say: Callable[[str], None], up_seconds: float | None) -> Iterator[Step]:
    """The journey in a lab that is up."""
    stage = Stage(lab, topology, up_seconds)
    begin(stage)
    for step in STEPS:
        yield tell(stage, step)
    for hop, text in enumerate(stage.hops, 1):
        say(f"  {hop}. {text}")
