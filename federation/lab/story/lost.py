"""Steps 4 and 5: a region is cut off without a goodbye, and comes back."""

import time

from federation.lab import look, process, weather
from federation.lab.look import Answer
from federation.lab.manifests import PUBLIC_HOST
from federation.lab.step import Step
from federation.lab.story.envoy import retries
from federation.lab.story.measure import by_member, climb, last_given, longest_gap, windows
from federation.lab.story.scene import (
    CENTRAL,
    EAST,
    GAP_SECONDS,
    WEST,
    Scene,
    Take,
    paying,
    subnet,
)
from federation.lab.topology import PAY

BEFORE_SECONDS, AFTER_SECONDS = 6.0, 8.0
DNS_SECONDS = 5.0
NEARER_PERCENT = 99.0
HEAL_SECONDS = 40.0
RISE_LAG = 2
HALF_STEP = 5.0
"""Points: the first answer after a heal tells the begin of the ramp only to a fraction of a second."""


def cut_off(scene: Scene) -> list[Step]:
    """4 cut: the nearer region is cut off, and requests and DNS leave it within seconds."""
    sent_again = retries(scene.lab, WEST)
    with paying(scene) as clients:
        time.sleep(BEFORE_SECONDS)
        cut = time.time()
        weather.cut(scene.lab, EAST)
        time.sleep(AFTER_SECONDS)
        end = time.time() - 1.0  # what is due later may be outstanding
    sent_again = retries(scene.lab, WEST) - sent_again
    both = [one for answers in clients.values() for one in answers]
    scene.takes.append(
        Take("4 cut", PAY, WEST, windows(both, cut - BEFORE_SECONDS, int(BEFORE_SECONDS + AFTER_SECONDS)))
    )
    before = [one for one in both if one["t"] < cut - 1.0]
    return [
        _nearer(before),
        *(gap_row(f"4 gap {method}", answers, cut, end, sent_again) for method, answers in clients.items()),
        _forgotten(scene, cut),
        live_row(scene, "4 live names", cut),
    ]


def _nearer(before: list[Answer]) -> Step:
    by = by_member(before)
    part = 100 * by.get(EAST, 0) / max(1, len(before))
    measured = f"{part:.1f} % of {len(before)}"
    return Step("4 nearer", f"{WEST} has no pay: {NEARER_PERCENT:g} % by {EAST}", measured, part >= NEARER_PERCENT)


def gap_row(name: str, answers: list[Answer], begin: float, end: float, sent_again: int) -> Step:
    """The longest time without a success after something happened at `begin`, with what failed; `sent_again` is how
    many requests of all clients the proxy sent again. At the end everything comes from elsewhere than before.
    """
    after = [one for one in answers if begin - 1.0 <= one["t"] <= end]
    gap = longest_gap(after, begin, end)
    failed = [one for one in after if not one["ok"]]
    first = f", first: {look.told(failed[0])}" if failed else ""
    by = by_member(one for one in after if one["t"] > end - 2.0)
    now = ", ".join(f"{member} {count}" for member, count in sorted(by.items()))
    return Step(
        name,
        f"at most {GAP_SECONDS:g} s between two successes within 1 s, then all by {CENTRAL}",
        f"{gap:.2f} s, {len(failed)} of {len(after)} failed{first}; at the end {now}; Envoy retried {sent_again}",
        gap <= GAP_SECONDS and set(by) == {CENTRAL},
    )


def _forgotten(scene: Scene, cut: float) -> Step:
    """How long after the cut the last server that can be reached gave the lost region's address to its clients."""
    address, took, never = scene.member(EAST).public, 0.0, []
    for name in (WEST, CENTRAL):
        replies = [one for one in scene.polls[name].replies if one.question.subnet == subnet(scene.member(EAST))]
        last = last_given(replies, address)
        if last is None or last < cut - 1.0:
            never.append(f"{name} did not give it before the cut")
            continue
        took = max(took, last - cut)
        newest = max(replies, key=lambda one: one.t)
        if not newest.addresses or address in newest.addresses:
            never.append(f"{name} says {', '.join(newest.addresses) or newest.rcode or 'nothing'}")
    measured = f"{took:.2f} s" + (f"; at the end {'; '.join(never)}" if never else "")
    expected = f"{WEST} and {CENTRAL} give {EAST}'s address for at most {DNS_SECONDS:g} s"
    return Step("4 DNS", expected, measured, took <= DNS_SECONDS and not never)


def live_row(scene: Scene, name: str, begin: float) -> Step:
    """Whether a live name was ever answered without an address since then, by any server; each must have answered."""
    polls = [*scene.polls.values(), *scene.live.values()]
    count = sum(one.t >= begin and bool(one.rcode) for poll in polls for one in poll.replies)
    empty = scene.unlived(begin)
    said = [f"{server} for {one.question.host}: {one.rcode}" for server, one in empty[:1]]
    silent = [poll for poll in polls if not any(one.t >= begin and one.rcode for one in poll.replies)]
    measured = f"{len(empty)} of {count}" + (f", first by {said[0]}" if said else "")
    measured += f"; {len(silent)} of {len(polls)} servers and names never answered" if silent else ""
    return Step(name, "0 replies without an address, every server polled", measured, not empty and not silent)


def healed(scene: Scene) -> list[Step]:
    """5 heal: traffic returns in steps and no request fails."""
    rising = 100 // scene.back.percent * scene.back.seconds
    with paying(scene) as clients:
        time.sleep(2.0)
        begin = time.time()
        weather.heal(scene.lab, EAST)
        process.wait_for(scene.lab, lambda: _unreturned(clients, begin), HEAL_SECONDS)
        since = _first(clients, begin) - scene.back.seconds
        time.sleep(max(0.0, since + rising + RISE_LAG + 3 - time.time()))
    both = [one for answers in clients.values() for one in answers]
    found = windows(both, since, rising + RISE_LAG + 2)
    scene.takes.append(Take("5 heal", PAY, WEST, found))
    seen = climb(found, EAST, since, 0.0, scene.back)
    failed = [one for one in both if not one["ok"]]
    shares = " ".join(f"{one.percent(EAST):.0f}" for one in found)
    whole = "never all" if seen.full is None else f"all after {seen.full:.0f} s"
    in_time = seen.full is not None and seen.full <= rising + RISE_LAG
    return [
        Step(
            "5 heal",
            f"{scene.back.percent} % per {scene.back.seconds} s, not faster, all in {rising + RISE_LAG} s, 0 failed",
            f"by second {shares} % of {len(both)}, {whole}, {len(failed)} failed"
            + (f" ({look.told(failed[0])})" if failed else "")
            + f"; {EAST} answers again {since + scene.back.seconds - begin:.1f} s after the heal",
            in_time and seen.over <= HALF_STEP and seen.worst <= 0 and not failed,
        ),
        _named_again(scene, begin),
        live_row(scene, "5 live names", begin),
    ]


def _first(clients: dict[str, list[Answer]], begin: float) -> float:
    """When the first request was due that East answered after `begin`; infinity before it has."""
    both = [one for answers in clients.values() for one in answers[:]]
    return min((one["t"] for one in both if one["t"] >= begin and one["member"] == EAST), default=float("inf"))


def _unreturned(clients: dict[str, list[Answer]], begin: float) -> str:
    return f"{EAST} has answered nobody in {WEST}" if _first(clients, begin) == float("inf") else ""


def _named_again(scene: Scene, begin: float) -> Step:
    """The public name gives the returned region's address to its clients again."""
    east = scene.member(EAST)

    def missing() -> str:
        last = [
            next((one for one in reversed(scene.polls[name].replies) if one.question.subnet == subnet(east)), None)
            for name in (WEST, CENTRAL)
        ]
        good = all(one is not None and one.t >= begin and one.addresses == (east.public,) for one in last)
        return "" if good else f"{PUBLIC_HOST} is {last}"

    process.wait_for(scene.lab, missing, HEAL_SECONDS)
    first = max(
        min(one.t for one in scene.polls[name].replies if one.t >= begin and east.public in one.addresses)
        for name in (WEST, CENTRAL)
    )
    expected = f"{WEST} and {CENTRAL} give {EAST}'s address to its clients again within {HEAL_SECONDS:g} s"
    return Step("5 public name", expected, f"after {first - begin:.1f} s", True)


STEPS = (cut_off, healed)
