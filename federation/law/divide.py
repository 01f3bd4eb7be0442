"""Requests divided over those who may get them, by weights or nearest first. Pure.

Parts are in millionths of all requests. Nearest first: each is filled up to what it is given (`room.granted`); then the
own member up to its full capacity. What is left must go somewhere: before anybody is overloaded, those who come back
get more than their ramps say, nearest first. What is left then goes to all alike by their capacity.
"""

from collections.abc import Mapping, Sequence

from msgspec import Struct

from federation.law import words
from federation.law.case import Case
from federation.law.room import fraction, room_now, whole
from federation.law.terms import place_in_order
from federation.model.handout import Candidate

Parts = dict[str, int]


class Share(Struct, frozen=True):
    """A member's part of the requests, in parts per million."""

    member: str
    ppm: int


class Rooms(Struct, frozen=True):
    """By member: what it is given and all that it can take, both held back by its ramp; the same as if it had been well
    for long; and what it is given by readiness alone.
    """

    given: Parts
    full: Parts
    given_well: Parts
    full_well: Parts
    by_readiness: Parts


def rooms_of(chosen: Sequence[Candidate], case: Case, blind: Case) -> tuple[Rooms, list[str]]:
    """Their rooms; `blind` is the case without demand. When readiness gives nobody any: by parts of endpoints."""
    by_readiness: Parts = {c.member: room_now(c, blind) for c in chosen}
    rules = []
    if not any(by_readiness.values()):
        by_readiness = {c.member: max(1, fraction(c.ready, c.total)) for c in chosen}
        rules = [] if case.demand else ["all are at the very beginning of their return: each by its readiness"]
    if not case.demand:
        return Rooms(by_readiness, by_readiness, by_readiness, by_readiness, by_readiness), rules
    return Rooms(
        given={c.member: room_now(c, case) for c in chosen},
        full={c.member: room_now(c, case, whole) for c in chosen},
        given_well={c.member: room_now(c, case, ramp=False) for c in chosen},
        full_well={c.member: max(1, room_now(c, case, whole, ramp=False)) for c in chosen},
        by_readiness=by_readiness,
    ), rules


def divide(chosen: Sequence[Candidate], rooms: Rooms, case: Case, todo: int) -> tuple[Parts, list[str]]:
    """`todo` millionths over these; they sum to it."""
    weights = case.policy.weights
    weighed: Parts = {c.member: rooms.by_readiness[c.member] * weights.get(c.region, 0) for c in chosen}
    if any(weighed.values()):
        parts = apportion(weighed, todo)
        return parts, [words.weighed(parts)]
    rules = ["no member with a weight is left: by order and cost"] if weights else []
    if not case.demand and sum(rooms.given.values()) < todo:
        total = words.percent(sum(rooms.given.values()))
        return apportion(rooms.given, todo), [*rules, f"together {total} of what is needed: scaled up alike"]
    parts, left = _fill(chosen, rooms, case, todo, rules)
    return (_overflow(rooms, parts, left, rules) if left else parts), rules


def _fill(chosen: Sequence[Candidate], rooms: Rooms, case: Case, todo: int, rules: list[str]) -> tuple[Parts, int]:
    """Each up to what it is given, the own member up to all it can take, then the same with the ramps left aside."""
    parts: Parts = {c.member: 0 for c in chosen}
    left = todo
    for candidate in chosen:
        left -= (take := _take(parts, candidate.member, rooms.given, left))
        if take:
            rules.append(words.takes(candidate, take, case, place_in_order(candidate, case)))
    own = [case.local] if case.local in parts else []
    for names, room, why in (
        (own, rooms.full, words.FULL),
        ([c.member for c in chosen], rooms.given_well, words.NO_RAMP),
        (own, rooms.full_well, words.FULL_NO_RAMP),
    ):
        for name in names:
            left -= (take := _take(parts, name, room, left))
            if take:
                rules.append(words.takes_more(name, take, why))
    return parts, left


def _take(parts: Parts, name: str, room: Parts, left: int) -> int:
    take = max(0, min(left, room[name] - parts[name]))
    parts[name] += take
    return take


def _overflow(rooms: Rooms, parts: Parts, left: int, rules: list[str]) -> Parts:
    rules.append(f"nobody has room for the last {words.percent(left)}: all alike by what they can take")
    weight = sum(rooms.full_well.values())
    todo = sum(parts.values()) + left
    return apportion({name: part * weight + left * rooms.full_well[name] for name, part in parts.items()}, todo)


def apportion(weights: Mapping[str, int], todo: int) -> Parts:
    """Largest-remainder rounding of these weights to exactly `todo`; ties go to the first by order."""
    total = sum(weights.values())
    parts = {member: weight * todo // total for member, weight in weights.items()}
    rest = todo - sum(parts.values())
    by_remainder = sorted(weights, key=lambda member: -(weights[member] * todo % total))
    for member in by_remainder[:rest]:
        parts[member] += 1
    return parts


def shares_of(parts: Parts) -> tuple[Share, ...]:
    """The shares of those who get anything."""
    return tuple(Share(member, ppm) for member, ppm in parts.items() if ppm)
