"""What a move would change: shares before and at its end by the law, from what this controller knows. Pure over the
loop's state; nothing is begun.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from msgspec import Struct, structs

from federation.law.case import Case, case_of
from federation.law.least import Lone, lone
from federation.law.places import policy_of, seen_from
from federation.law.shares import Share, rule, rule_live
from federation.model.handout import Candidate, Import, Steered
from federation.model.moves import Leaving, Shift
from federation.model.names import MemberName, ServiceKey
from federation.reconcile.loop import Loop

DONE = Leaving(0)
"""A drain at its end."""


class Subject(Struct, frozen=True):
    """What the law divides the requests of: a service, or a public name."""

    what: str
    candidates: tuple[Candidate, ...]
    case: Callable[[str], Case]
    live: bool = False


class Change(Struct, frozen=True):
    """What a move does to a candidate, and to the shifts in force, at its end."""

    candidate: Callable[[Candidate], Candidate] = lambda one: one
    shifts: Callable[[tuple[Shift, ...]], tuple[Shift, ...]] = lambda found: found


def draining(member: str) -> Change:
    """The end of a drain."""
    return Change(candidate=lambda one: structs.replace(one, leaving=DONE) if one.member == member else one)


def shifting(shift: Shift) -> Change:
    """The end of a shift, which takes the place of one between the same members."""
    ended = structs.replace(shift, since=0, seconds=0)

    def with_it(found: tuple[Shift, ...]) -> tuple[Shift, ...]:
        others = (one for one in found if (one.service, one.source, one.to) != (shift.service, shift.source, shift.to))
        return (*others, ended)

    return Change(shifts=with_it)


def subjects(loop: Loop, member: str) -> Iterator[Subject]:
    """The services and public names that this member serves, by name."""
    for key in sorted(loop.desired.plans):
        item = imported(loop, key)
        if item is not None and any(c.member == member for c in item.candidates):
            yield of_service(loop, item)
    for _, steered in sorted(loop.desired.steered.items()):
        if any(target.candidate.member == member for target in steered.targets):
            yield of_name(loop, steered)


def imported(loop: Loop, key: ServiceKey) -> Import | None:
    """The import of this service, or None."""
    found = loop.desired.plans[key].handout.get(f"import/{key}") if key in loop.desired.plans else None
    return found if isinstance(found, Import) else None


def of_service(loop: Loop, item: Import) -> Subject:
    """A service as our clients are steered; from elsewhere by what is measured there, with our policy."""
    own, paths, now = loop.parts.own.name, loop.links.paths(), int(loop.parts.clock.wall() * 1_000)

    def case(local: str) -> Case:
        return case_of(item, local, _region(loop, local), paths if local == own else {}, now)

    return Subject(str(item.service), item.candidates, case)


def of_name(loop: Loop, item: Steered) -> Subject:
    """A public name."""
    policy, now = policy_of(item.name), int(loop.parts.clock.wall() * 1_000)
    candidates = tuple(target.candidate for target in item.targets)

    def case(local: str) -> Case:
        return Case(local, policy, {}, now, region=_region(loop, local))

    return Subject(item.name.host, candidates, case, live=True)


def _region(loop: Loop, local: str) -> str:
    return loop.parts.ledger.ledger.members[MemberName(local)].region


def changes(loop: Loop, found: Iterable[Subject], places: Iterable[str], change: Change) -> list[dict[str, Any]]:
    """Each service or name and locality whose shares the move changes: before, and at its end, in ppm by member."""
    localities, rows = list(places), []
    for subject in found:
        for local in localities:
            before, after = _shares(loop, subject, local, Change()), _shares(loop, subject, local, change)
            if before != after:
                rows.append({"of": subject.what, "from": local, "before": _told(before), "after": _told(after)})
    return rows


def _told(shares: tuple[Share, ...]) -> dict[str, int]:
    return {share.member: share.ppm for share in shares}


def _shares(loop: Loop, subject: Subject, local: str, change: Change) -> tuple[Share, ...]:
    case = subject.case(local)
    case = structs.replace(case, shifts=change.shifts(case.shifts))
    candidates = [change.candidate(_seen_from(loop, one, local)) for one in subject.candidates]
    return (rule_live(candidates, case) if subject.live else rule(candidates, case)).shares


def _seen_from(loop: Loop, candidate: Candidate, local: str) -> Candidate:
    own, members = loop.parts.own.name, loop.parts.ledger.ledger.members
    if local == own:
        return candidate
    costs = next((place.costs for place in loop.desired.places() if place.member == local), {})
    numbers = {str(name): member.number for name, member in members.items()}
    return seen_from(candidate, numbers.get(candidate.member, 0), local, costs)


def left_alone(loop: Loop, found: Iterable[Subject], member: str) -> list[Lone]:
    """What nobody would serve any more when this member is drained."""
    own = loop.parts.own.name
    cases = ((subject, subject.case(own)) for subject in found)
    return [
        one
        for subject, case in cases
        if (one := lone(subject.what, subject.candidates, member, case.policy, case.paths)) is not None
    ]


class Tight(Struct, frozen=True):
    """A service of which our clients ask more (requests per second) than the others have room for."""

    what: str
    demand: int
    room: int


def too_tight(items: Iterable[Import], member: str) -> list[Tight]:
    """The services for which, without this member, the room that is known is too small for our own clients."""
    found = []
    for item in items:
        others = [c for c in item.candidates if c.member != member and c.ready and c.leaving is None]
        known = all(c.capacity for c in others)
        serves = any(c.member == member and c.ready for c in item.candidates)
        room = sum(min(c.capacity * c.ready, c.grant if c.grant >= 0 else c.capacity * c.ready) for c in others)
        if serves and others and known and item.demand > room:
            found.append(Tight(str(item.service), item.demand, room))
    return found
