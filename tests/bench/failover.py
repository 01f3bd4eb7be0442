"""The failover story's numbers over many runs: us-east is cut off and healed in a loop, while clients of shop/pay in
us-west and pollers of every DNS server look on; and how far counted shares are from the law's.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from federation.lab import process, weather
from federation.lab.dns_client import Reply
from federation.lab.look import Answer
from federation.lab.manifests import Return
from federation.lab.state import Lab
from federation.lab.story.measure import by_member, last_given, longest_gap
from federation.lab.story.portions import CLIENTS, EACH, asked
from federation.lab.story.scene import CENTRAL, EAST, GAP_SECONDS, WEST, Scene, paying, subnet, watched
from federation.lab.topology import LAB, PAY, WEB
from tests.bench.raised import raised
from tests.bench.row import Row, median_row, quantile, rounded

GAPS = {"failover-gap-get": "GET", "failover-gap-post": "POST"}
P99 = "-p99"
DNS = "failover-dns"
SHARES = {"share-error-70": (2, 700_000), "share-error-35": (1, 350_000)}
NAMES = (*GAPS, *(name + P99 for name in GAPS), DNS, *SHARES)
DNS_SECONDS = 5.0
POINTS = 3.0
CUTS, SHARE_RUNS = 200, 5
STEADY = 50
LOOK = 0.1
GIVE_UP, RETURN_SECONDS = 15.0, 90.0
QUICK = Return(percent=100, seconds=1)
SERVERS = (WEST, CENTRAL)


@dataclass(slots=True)
class Samples:
    """Seconds, one a cut."""

    gaps: dict[str, list[float]] = field(default_factory=lambda: {method: [] for method in GAPS.values()})
    dns: list[float] = field(default_factory=list)


def measure(names: tuple[str, ...]) -> list[Row]:
    """One lab for everything that is asked for."""
    rows: dict[str, Row] = {}
    with raised() as lab:
        if set(names) & set(SHARES):
            rows |= shares(lab)
        if set(names) - set(SHARES):
            rows |= cut_rows(cuts(lab))
    return [rows[name] for name in names]


def dressed(lab: Lab) -> Scene:
    """The story's services and names in a lab, with a return that takes a second."""
    scene = Scene(lab, LAB, QUICK, healthy=1)
    scene.dress()
    scene.offer(EAST, PAY, 2, 2)
    for name in LAB.names:
        scene.settle({name: 1_000_000}, WEB, name)
    scene.settle({EAST: 1_000_000}, PAY, WEST)
    return scene


def shares(lab: Lab) -> dict[str, Row]:
    """In turns: two and one of us-east's four endpoints ready."""
    scene = dressed(lab)
    errors: dict[str, list[float]] = {name: [] for name in SHARES}
    for _ in range(SHARE_RUNS):
        for name, (ready, ppm) in SHARES.items():
            by = by_member(asked(scene, ready, ppm))
            errors[name].append(abs(100 * by.get(EAST, 0) / sum(by.values()) - ppm / 10_000))
    note = f"points between the counted and the stated local share, each over {CLIENTS * EACH} requests of {CLIENTS} clients; Envoy takes localities in turns by weight, so chance adds little"
    return {name: median_row(name, "points", found, SHARE_RUNS, note, POINTS) for name, found in errors.items()}


def pauses() -> Iterator[float]:
    """0 to 1 s, spread so that cuts meet probes at every phase."""
    for number in range(CUTS):
        yield number * 37 % 100 / 100


def cuts(lab: Lab) -> Samples:
    """Cut, wait until clients and DNS have left, heal, wait until they are back."""
    scene, samples = dressed(lab), Samples()
    with watched(scene), paying(scene) as clients:
        for pause in pauses():
            process.wait_for(lab, lambda: returned(scene, clients), RETURN_SECONDS)
            time.sleep(pause)
            begin = time.time()
            weather.cut(lab, EAST)
            end = await_left(scene, clients, begin)
            for method, answers in clients.items():
                samples.gaps[method].append(longest_gap(recent(answers, begin - 2), begin, end))
            samples.dns.append(max(given(scene, name, begin, end) for name in SERVERS))
            weather.heal(lab, EAST)
    return samples


def await_left(scene: Scene, clients: dict[str, list[Answer]], begin: float) -> float:
    """The Unix time when clients and DNS had left, or when that was given up: it is the longest sample then, and not a
    missing one.
    """
    while not left(scene, clients, begin) and time.time() < begin + GIVE_UP:
        time.sleep(LOOK)
    return time.time()


def recent(answers: list[Answer], begin: float) -> list[Answer]:
    """Those of the last part of the list that were due since then."""
    return [one for one in answers[-4_000:] if one["t"] >= begin]


def replies(scene: Scene, name: str, count: int) -> list[Reply]:
    """Of the last so many replies of one server those to clients of East, about half."""
    clients = subnet(scene.member(EAST))
    return [one for one in scene.polls[name].replies[-count:] if one.question.subnet == clients]


def returned(scene: Scene, clients: dict[str, list[Answer]]) -> str:
    """For wait_for: East answers every client again and is every server's answer."""
    for method, answers in clients.items():
        steady = len(answers) >= STEADY and all(one["ok"] and one["member"] == EAST for one in answers[-STEADY:])
        if not steady:
            return f"{EAST} does not answer every {method} of {WEST}"
    for name in LAB.names:
        if not all(one.addresses == (scene.member(EAST).public,) for one in replies(scene, name, 2 * STEADY)):
            return f"{name}'s DNS server does not give {EAST}'s address"
    return ""


def left(scene: Scene, clients: dict[str, list[Answer]], begin: float) -> bool:
    """True when Central has answered every client for a second, and no server that can be reached gives East's address."""
    for answers in clients.values():
        last = answers[-STEADY:]
        if not all(one["ok"] and one["member"] == CENTRAL and one["t"] > begin for one in last):
            return False
    newest = [replies(scene, name, 4)[-1] for name in SERVERS]
    return all(one.t > begin and one.addresses and scene.member(EAST).public not in one.addresses for one in newest)


def given(scene: Scene, name: str, begin: float, end: float) -> float:
    """Seconds from the cut to the last question that this server answered with East's address, bounded by the wait."""
    last = last_given((one for one in replies(scene, name, 2_000) if begin <= one.t <= end), scene.member(EAST).public)
    return 0.0 if last is None else last - begin


def cut_rows(samples: Samples) -> dict[str, Row]:
    """Medians; p90, maximum and what is over the story's bar are in the notes."""
    told = (
        f"{CUTS} cuts of us-east in one lab, at every phase of the probes; clients in us-west at 50 requests a second each, "
        "deadline 1 s, not sent twice"
    )
    rows = {
        name: median_row(
            name,
            "s",
            found,
            CUTS,
            f"{_over(found, GAP_SECONDS)}; longest time between two successes; {told}",
            GAP_SECONDS,
        )
        for name, found in ((name, samples.gaps[method]) for name, method in GAPS.items())
    }
    rows |= {name + P99: _p99(name, samples.gaps[method], told) for name, method in GAPS.items()}
    what = (
        "until the last server that can be reached stops giving the lost address, polled every 50 ms; TTL not included"
    )
    rows[DNS] = median_row(
        DNS, "s", samples.dns, CUTS, f"{_over(samples.dns, DNS_SECONDS)}; {what}; {told}", DNS_SECONDS
    )
    return rows


def _p99(name: str, found: list[float], told: str) -> Row:
    row = median_row(name, "s", found, CUTS, told, GAP_SECONDS)
    value = None if row.value is None else rounded(quantile(found, 0.99))
    return Row(name + P99, value, row.unit, row.runs, row.note, row.target)


def _over(found: list[float], bar: float) -> str:
    return f"{sum(value > bar for value in found)} over {bar:g} s"
