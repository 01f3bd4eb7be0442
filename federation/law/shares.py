"""Shares of one locality's requests over the members that offer a service (design section 7, capacity unknown).

Each candidate, nearest first, can take up to 1.4 x ready/total of all requests; what it cannot take goes on to the
next. Two of four ready: 70 %. One of four: 35 %. When all together cannot take everything, each is scaled up alike.
The same function runs in controllers, node agents and DNS servers; each gives it its own evidence.
"""

from collections.abc import Mapping, Sequence

from msgspec import Struct, structs

from federation.law import words
from federation.law.room import PPM, drained, fraction, next_step, room_now
from federation.model.handout import Candidate
from federation.model.policy import Policy
from federation.model.standing import UNKNOWN, Standing

Paths = Mapping[str, Standing]


class Share(Struct, frozen=True):
    """A member's part of the requests, in parts per million."""

    member: str
    ppm: int


class Ruling(Struct, frozen=True):
    """The law's result. Shares sum to one million, or are empty when nobody is ready; `rules` say why, in order.

    `standby` are members without a share that could take requests at once. `until` is the Unix millisecond at which
    age alone can change the shares; 0 when it cannot.
    """

    shares: tuple[Share, ...]
    rules: tuple[str, ...]
    standby: tuple[str, ...] = ()
    until: int = 0

    def of(self, member: str) -> int:
        """This member's share in parts per million; 0 when it has none."""
        return next((share.ppm for share in self.shares if share.member == member), 0)


class Case(Struct, frozen=True):
    """What is ruled on: from where, by which policy, with which evidence on the paths, at which Unix millisecond."""

    local: str
    policy: Policy = Policy()
    paths: Paths = {}
    now: int = 0

    def path(self, member: str) -> Standing:
        """The evidence on the way to this member; without any it is not down."""
        return self.paths.get(member, UNKNOWN)


def rule(candidates: Sequence[Candidate], case: Case) -> Ruling:
    """Divide one million over the candidates as seen from the member `case.local`."""
    order = sorted(candidates, key=lambda c: _rank(c, case))
    chosen, rules = _eligible(order, case)
    room: dict[str, int] = {c.member: room_now(c, case.policy, case.path(c.member), case.now) for c in chosen}
    rules = [*(words.inputs(c, case.path(c.member), case.policy, case.now) for c in order), *rules]
    if chosen and not sum(room.values()):
        room.update((c.member, fraction(c.ready, c.total)) for c in chosen)
        rules.append("all are at the very beginning of their return: each by its readiness")
    if not chosen:
        return Ruling((), (*rules, "nobody is ready: no shares"))
    shares, why = _divide(chosen, room, case)
    given = {share.member for share in shares}
    steps = [next_step(c, case.policy, case.path(c.member), case.now) for c in chosen]
    return Ruling(
        shares,
        (*rules, *why),
        standby=tuple(c.member for c in chosen if c.member not in given),
        until=min((step for step in steps if step), default=0),
    )


def rule_live(candidates: Sequence[Candidate], case: Case) -> Ruling:
    """The ruling for a public name, which is never answered empty: with nobody ready by record, on all as if ready."""
    ruling = rule(candidates, case)
    if ruling.shares or not candidates:
        return ruling
    opened = rule([structs.replace(one, ready=1, total=1, floor=0, since=0) for one in candidates], case)
    return structs.replace(opened, rules=(*ruling.rules, "fail open: each target as if ready", *opened.rules))


def _rank(candidate: Candidate, case: Case) -> tuple[bool, int, int, str]:
    order = case.policy.order
    place = order.index(candidate.region) if candidate.region in order else len(order)
    return (candidate.member != case.local, place, candidate.cost, candidate.member)


def _eligible(order: list[Candidate], case: Case) -> tuple[list[Candidate], list[str]]:
    """Who may get requests: never the drained or the unreachable while another is left, never nobody."""
    ready = [c for c in order if c.ready > 0]
    reached = [c for c in ready if case.path(c.member).up]
    kept = [c for c in reached if not drained(c, case.policy)]
    if kept:
        return kept, []
    if reached:
        return reached, ["only drained members can be reached: the drain is left aside"]
    undrained = [c for c in ready if not drained(c, case.policy)]
    return undrained or ready, ["every way is down: evidence is left aside"] if ready else []


def _divide(chosen: list[Candidate], room: dict[str, int], case: Case) -> tuple[tuple[Share, ...], list[str]]:
    weights = case.policy.weights
    weighed: dict[str, int] = {c.member: room[c.member] * weights.get(c.region, 0) for c in chosen}
    if sum(weighed.values()):
        shares = scale(weighed)
        return shares, [words.weighed(shares)]
    rules = ["no member with a weight is left: by order and cost"] if weights else []
    total = sum(room.values())
    if total < PPM:
        return scale(room), [*rules, f"together {words.percent(total)} of what is needed: scaled up alike"]
    return _fill(chosen, room, case, rules)


def _fill(
    chosen: list[Candidate], room: dict[str, int], case: Case, rules: list[str]
) -> tuple[tuple[Share, ...], list[str]]:
    shares: list[Share] = []
    left = PPM
    for candidate in chosen:
        take = min(left, room[candidate.member])
        left -= take
        if take:
            shares.append(Share(candidate.member, take))
            rules.append(words.takes(candidate, take, case.local, case.policy))
    return tuple(shares), rules


def scale(room: Mapping[str, int]) -> tuple[Share, ...]:
    """Largest-remainder rounding of these weights to exactly one million; ties go to the first by order."""
    total = sum(room.values())
    floors = {member: weight * PPM // total for member, weight in room.items()}
    rest = PPM - sum(floors.values())
    by_remainder = sorted(room, key=lambda member: -(room[member] * PPM % total))
    for member in by_remainder[:rest]:
        floors[member] += 1
    return tuple(Share(member, ppm) for member, ppm in floors.items() if ppm)
