"""What clients' answers and DNS replies amount to: gaps, shares by second, the line of a return. Pure."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from federation.lab.dns_client import Reply
from federation.lab.look import Answer
from federation.lab.manifests import Return

FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Window:
    """The requests that were due in the second from `t` (Unix seconds), by who answered."""

    t: float
    by: dict[str, int]

    @property
    def count(self) -> int:
        """Requests."""
        return sum(self.by.values())

    def percent(self, member: str) -> float:
        """The part that this member answered; 0 when there was no request."""
        return 100 * self.by.get(member, 0) / max(1, self.count)


def by_member(answers: Iterable[Answer]) -> dict[str, int]:
    """How many requests each member answered; those without a good answer as FAILED."""
    return dict(Counter(one["member"] if one["ok"] else FAILED for one in answers))


def windows(answers: Sequence[Answer], begin: float, seconds: int) -> list[Window]:
    """Whole seconds from `begin` on, each with the requests that were due in it."""
    due: list[list[Answer]] = [[] for _ in range(seconds)]
    for one in answers:
        place = math.floor(one["t"] - begin)
        if 0 <= place < seconds:
            due[place].append(one)
    return [Window(begin + place, by_member(found)) for place, found in enumerate(due)]


def longest_gap(answers: Iterable[Answer], begin: float, end: float) -> float:
    """The longest time in seconds between two successes that follow each other, from `begin` to `end`; both count as
    borders, so that a success that never came is seen.
    """
    times = sorted(float(one["t"] + one["ms"] / 1000) for one in answers if one["ok"])
    points = [begin, *(t for t in times if begin < t < end), end]
    return max(later - earlier for earlier, later in pairwise(points))


def last_given(replies: Iterable[Reply], address: str) -> float | None:
    """When a question was last asked that was answered with this address; None when none was."""
    return max((reply.t for reply in replies if address in reply.addresses), default=None)


def unanswered(replies: Iterable[Reply]) -> list[Reply]:
    """Replies that came and gave no address; silence is none of them."""
    return [reply for reply in replies if reply.rcode and not reply.addresses]


def height(t: float, since: float, floor: float, back: Return) -> float:
    """The most, in per cent, that a member which returns since then from `floor` may get at `t`."""
    steps = max(0, math.floor((t - since) / back.seconds))
    return min(100.0, floor + steps * back.percent)


def noise(percent: float, count: int) -> float:
    """Three standard deviations, in points, of a share that is counted over so many requests."""
    part = min(max(percent / 100, 0.01), 0.99)
    return 300 * math.sqrt(part * (1 - part) / max(1, count))


@dataclass(frozen=True, slots=True)
class Climb:
    """A return as it was seen: `over` are points above the line over the whole climb (negative: below it), `worst` the
    window that exceeds the line by most, beyond the noise of counting (at most 0 when none does), `full` the seconds
    from `since` until the first window from which the member has everything back; None when it never had.
    """

    over: float
    worst: float
    full: float | None


def climb(found: Sequence[Window], member: str, since: float, floor: float, back: Return) -> Climb:
    """Hold windows that begin at `since` or later against the line of the return."""
    lines = [height(one.t, since, floor, back) for one in found]
    rising = [(one, line) for one, line in zip(found, lines, strict=True) if line < 100]
    count = sum(one.count for one, _ in rising)
    over = sum((one.percent(member) - line) * one.count for one, line in rising) / max(1, count)
    worst = max((one.percent(member) - line - noise(line, one.count) for one, line in rising), default=0.0)
    whole = [one.count > 0 and one.percent(member) >= 99 for one in found]
    first = next((i for i in range(len(found)) if all(whole[i:])), None)
    return Climb(over, worst, None if first is None else found[first].t - since)
