"""Requests divided over those who may get them, by weights or nearest first. Pure.

Parts are in millionths of all requests. Nearest first: each is filled up to what it is given (`room.granted`); then the
own member up to its full capacity; what is left then goes to all alike by their capacity.
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
    """By member: what it is given, all that it could take, and what it is given by readiness alone."""

    given: Parts
    full: Parts
    by_readiness: Parts


def rooms_of(chosen: Sequence[Candidate], case: Case, blind: Case) -> tuple[Rooms, list[str]]:
    """The rooms of these; `blind` is the case without demand. When nobody has any, each by its part of ready ones."""
    given: Parts = {c.member: room_now(c, case) for c in chosen}
    full: Parts = {c.member: room_now(c, case, whole) for c in chosen} if case.demand else given
    by_readiness: Parts = {c.member: room_now(c, blind) for c in chosen} if case.demand else given
    if any(full.values()):
        return Rooms(given, full, by_readiness), []
    parts: Parts = {c.member: max(1, fraction(c.ready, c.total)) for c in chosen}
    return Rooms(parts, parts, parts), ["all are at the very beginning of their return: each by its readiness"]


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
    parts: Parts = {}
    left = todo
    for candidate in chosen:
        take = parts[candidate.member] = min(left, rooms.given[candidate.member])
        left -= take
        if take:
            rules.append(words.takes(candidate, take, case, place_in_order(candidate, case)))
    more = min(left, rooms.full.get(case.local, 0) - parts.get(case.local, 0))
    if more > 0:
        parts[case.local] += more
        rules.append(words.takes_more(case.local, more))
        left -= more
    return parts, left


def _overflow(rooms: Rooms, parts: Parts, left: int, rules: list[str]) -> Parts:
    rules.append(f"nobody has room for the last {words.percent(left)}: all alike by what they can take")
    weight = sum(rooms.full.values())
    todo = sum(parts.values()) + left
    return apportion({member: part * weight + left * rooms.full[member] for member, part in parts.items()}, todo)


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
