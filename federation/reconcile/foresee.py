"""What a move would change: shares before and at its end by the law, from what this controller knows. Pure over the
loop's state; nothing is begun.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from msgspec import Struct, structs

from federation.law.case import Case, Paths, case_of
from federation.law.least import Lone, lone
from federation.law.places import policy_of, seen_from
from federation.law.room import capacity_of
from federation.law.shares import Share, rule, rule_live
from federation.model.handout import Candidate, Import, Steered
from federation.model.moves import Leaving, Shift
from federation.model.names import MemberName, ServiceKey
from federation.reconcile.loop import Loop

DONE = Leaving(0)
"""A drain at its end."""

LOOKED_MAX = 10_000
"""How many services and public names, each from each locality, are looked at: some seconds' work."""
BREATH = 20
"""After so many the controller's sessions and its lease have their turn."""


class Sight(Struct, frozen=True):
    """What all that is foreseen at one moment shares: the evidence here, members' regions and numbers, and what it
    costs from each locality to reach the others.
    """

    own: str
    now: int
    paths: Paths
    regions: Mapping[str, str]
    numbers: Mapping[str, int]
    costs: Mapping[str, Mapping[MemberName, int]]


def sight(loop: Loop) -> Sight:
    """As it is now; its cost is that of all our agents, so it is taken once for all services."""
    members = loop.parts.ledger.ledger.members
    return Sight(
        own=loop.parts.own.name,
        now=int(loop.parts.clock.wall() * 1_000),
        paths=loop.links.paths(),
        regions={str(name): member.region for name, member in members.items()},
        numbers={str(name): member.number for name, member in members.items()},
        costs={str(place.member): place.costs for place in loop.desired.places()},
    )


class Subject(Struct, frozen=True):
    """What the law divides the requests of: a service, whose candidates have our own costs, or a public name (`live`),
    whose have none.
    """

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


def subjects(loop: Loop, member: str, seen: Sight) -> Iterator[Subject]:
    """The services and public names that this member serves, by name."""
    for key in sorted(loop.desired.plans):
        item = imported(loop, key)
        if item is not None and any(c.member == member for c in item.candidates):
            yield of_service(item, seen)
    for _, steered in sorted(loop.desired.steered.items()):
        if any(target.candidate.member == member for target in steered.targets):
            yield of_name(steered, seen)


def imported(loop: Loop, key: ServiceKey) -> Import | None:
    """The import of this service, or None."""
    found = loop.desired.plans[key].handout.get(f"import/{key}") if key in loop.desired.plans else None
    return found if isinstance(found, Import) else None


def of_service(item: Import, seen: Sight) -> Subject:
    """A service as our clients are steered; from elsewhere by what is measured there, with our policy."""

    def case(local: str) -> Case:
        return case_of(item, local, seen.regions[local], seen.paths if local == seen.own else {}, seen.now)

    return Subject(str(item.service), item.candidates, case)


def of_name(item: Steered, seen: Sight) -> Subject:
    """A public name."""
    policy = policy_of(item.name)

    def case(local: str) -> Case:
        return Case(local, policy, {}, seen.now, region=seen.regions[local])

    return Subject(item.name.host, tuple(target.candidate for target in item.targets), case, live=True)


class Foreseen(Struct, frozen=True):
    """Each service or name and locality whose shares a move changes: before, and at its end, in ppm by member. `unseen`
    were not looked at.
    """

    rows: list[dict[str, Any]]
    unseen: int = 0


async def changes(seen: Sight, found: Iterable[Subject], places: Iterable[str], change: Change) -> Foreseen:
    """What a move changes, of the first LOOKED_MAX. The controller goes on meanwhile."""
    localities, rows, looked = list(places), list[dict[str, Any]](), 0
    pairs = [(subject, local) for subject in found for local in localities]
    for looked, (subject, local) in enumerate(pairs[:LOOKED_MAX], 1):
        before, after = _shares(seen, subject, local, Change()), _shares(seen, subject, local, change)
        if before != after:
            rows.append({"of": subject.what, "from": local, "before": _told(before), "after": _told(after)})
        if looked % BREATH == 0:
            await asyncio.sleep(0)
    return Foreseen(rows, len(pairs) - looked)


def _told(shares: tuple[Share, ...]) -> dict[str, int]:
    return {share.member: share.ppm for share in shares}


def _shares(seen: Sight, subject: Subject, local: str, change: Change) -> tuple[Share, ...]:
    case = subject.case(local)
    case = structs.replace(case, shifts=change.shifts(case.shifts))
    as_they_are = local == seen.own and not subject.live
    candidates = [change.candidate(c if as_they_are else _seen_from(seen, c, local)) for c in subject.candidates]
    return (rule_live(candidates, case) if subject.live else rule(candidates, case)).shares


def _seen_from(seen: Sight, candidate: Candidate, local: str) -> Candidate:
    return seen_from(candidate, seen.numbers.get(candidate.member, 0), local, seen.costs.get(local, {}))


def left_alone(seen: Sight, found: Iterable[Subject], member: str) -> list[Lone]:
    """What nobody would serve any more when this member is drained."""
    cases = ((subject, subject.case(seen.own)) for subject in found)
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
        rooms = [capacity_of(c, item.policy) * c.ready for c in others]
        known = all(rooms)
        serves = any(c.member == member and c.ready for c in item.candidates)
        room = sum(min(most, c.grant) if c.grant >= 0 else most for most, c in zip(rooms, others, strict=True))
        if serves and others and known and item.demand > room:
            found.append(Tight(str(item.service), item.demand, room))
    return found
