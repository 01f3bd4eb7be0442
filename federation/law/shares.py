"""Shares of one locality's requests over the members that offer a service (design section 7).

Each candidate, nearest first, gets what it is given: with demand and capacity known 0.8 of the own capacity, then the
others' grants; else up to 1.4 x ready/total of all requests (two of four ready: 70 %, one of four: 35 %). When all
together cannot take everything, each is scaled up alike. A canary comes before, bounds of shares and shifts after.
The same function runs in controllers, node agents and DNS servers; each gives it its own evidence.
"""

from collections.abc import Sequence

from msgspec import Struct, structs

from federation.law import words
from federation.law.adjust import bounded, canary, shifted, without
from federation.law.case import Case, Paths, placed
from federation.law.divide import Parts, Rooms, Share, divide, rooms_of, shares_of
from federation.law.eligible import eligible
from federation.law.room import PPM, next_move, next_step, room_now, soonest
from federation.law.terms import rank
from federation.model.handout import Candidate
from federation.model.policy import Panic

__all__ = ["Case", "Paths", "Ruling", "Share", "rule", "rule_live"]


class Ruling(Struct, frozen=True):
    """The law's result. Shares sum to one million, or are empty when nobody is ready; `rules` say why, in order.

    `standby` are members without a share that could take requests at once. `until` is the Unix millisecond at which
    age alone can change the shares; 0 when it cannot. Without shares, `fallback` names the service of the same
    namespace that takes the requests ("": they fail). `opened`: by the policy's panic, every endpoint gets requests as
    if it were ready.
    """

    shares: tuple[Share, ...]
    rules: tuple[str, ...]
    standby: tuple[str, ...] = ()
    until: int = 0
    fallback: str = ""
    opened: bool = False

    def of(self, member: str) -> int:
        """This member's share in parts per million; 0 when it has none."""
        return next((share.ppm for share in self.shares if share.member == member), 0)


def rule(candidates: Sequence[Candidate], case: Case) -> Ruling:
    """Divide one million over the candidates as seen from the member `case.local`."""
    case = placed(case, candidates)
    order = sorted(candidates, key=lambda c: rank(c, case))
    chosen = eligible(order, case)
    rules = [*(words.inputs(c, case) for c in order), *chosen.rules]
    until = until_of(order, chosen.candidates, case)
    if not chosen.candidates:
        return Ruling((), tuple(rules), until=until, fallback=chosen.fallback)
    found = divided(chosen.candidates, case)
    standby = tuple(c.member for c in chosen.candidates if not found.parts[c.member])
    return Ruling(shares_of(found.parts), (*rules, *found.rules), standby, until, opened=chosen.opened)


def rule_live(candidates: Sequence[Candidate], case: Case) -> Ruling:
    """The ruling for a public name, which is never answered empty: with nobody ready by record, on all as if ready.

    The residency holds even then; a panic's action does not.
    """
    ruling = rule(candidates, case)
    if ruling.shares or not candidates:
        return structs.replace(ruling, fallback="")
    policy = structs.replace(case.policy, panic=Panic())
    opened = [structs.replace(c, ready=1, total=1, floor=0, since=0) for c in candidates]
    ruled = rule(opened, structs.replace(case, policy=policy, demand=0))
    return structs.replace(ruled, rules=(*ruling.rules, "fail open: each target as if ready", *ruled.rules))


class Divided(Struct, frozen=True):
    """The parts of those who may get requests, why, and how much they all are given together, of one million."""

    parts: Parts
    rules: tuple[str, ...]
    room: int


def divided(chosen: Sequence[Candidate], case: Case) -> Divided:
    """One million over these, nearest first."""
    rooms, rules = rooms_of(chosen, case, structs.replace(case, demand=0))
    taken, why = canary(chosen, rooms, case)
    rules += why
    parts, why = _with_rest(chosen, without(rooms, taken), case, taken)
    rules += why
    parts, why = bounded(parts, chosen, rooms, case)
    rules += why
    parts, why = shifted(parts, rooms, case)
    room = min(PPM, sum(room_now(c, case) for c in chosen))
    return Divided(parts, (*rules, *why), room)


def _with_rest(chosen: Sequence[Candidate], rooms: Rooms, case: Case, first: Parts) -> tuple[Parts, list[str]]:
    """What was given first, and the rest by the law over all."""
    todo = PPM - sum(first.values())
    if not todo:
        return {c.member: first.get(c.member, 0) for c in chosen}, []
    parts, why = divide(chosen, rooms, case, todo)
    return {member: part + first.get(member, 0) for member, part in parts.items()}, why


def until_of(order: Sequence[Candidate], chosen: Sequence[Candidate], case: Case) -> int:
    """The Unix millisecond at which age alone can change this division; 0 when it cannot.

    Whoever leaves can change at its end who may get requests at all, chosen now or not. Weights and canaries follow
    readiness whatever the demand is.
    """
    cases = [case, structs.replace(case, demand=0)] if case.demand else [case]
    steps = [next_step(c, one) for one in cases for c in chosen]
    leaving = [next_move(c.leaving.since, c.leaving.seconds, case.now) for c in order if c.leaving]
    shifts = [next_move(s.since, s.seconds, case.now) for s in case.shifts]
    return soonest([*steps, *leaving, *shifts])
