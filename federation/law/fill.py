"""Branches of a tree of policies: each has room, as a member has, and they are filled in order or by weights. Pure."""

from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

from federation.law.divide import Parts, apportion
from federation.law.room import PPM, soonest

NOBODY = ""
"""What the part of those is called who get no address."""


class Branch(Struct, frozen=True):
    """What one branch has: the room of all its members together, in parts per million, and how it divides what it gets
    (nothing when it is down). `standby` are members that could take requests and get none. `until` as in a ruling.
    """

    room: int = 0
    parts: Parts = {}
    standby: tuple[str, ...] = ()
    until: int = 0

    def members(self) -> int:
        """How many could take requests."""
        return len({*self.parts, *self.standby} - {NOBODY})


def filled(branches: Iterable[Branch]) -> Branch:
    """Each takes what it has room for, the first one first.

    What nobody has room for goes to all alike by their room, or to the first when none has any.
    """
    found = list(branches)
    up = [one for one in found if one.parts]
    if not up:
        return Branch(until=_soonest(found))
    left, taken = PPM, []
    for one in up:
        taken.append(min(left, one.room))
        left -= taken[-1]
    if left:
        rooms = {at: one.room for at, one in enumerate(up)}
        more = _alike(rooms, left) if any(rooms.values()) else {0: left}
        taken = [take + more.get(at, 0) for at, take in enumerate(taken)]
    return _joined(found, list(zip(up, taken, strict=True)))


def weighed(weights: Sequence[tuple[int, Branch]]) -> Branch:
    """By weight and room of those that are up; those without a weight only when no other is."""
    up = [(weight, one) for weight, one in weights if one.parts]
    if not up:
        return Branch(until=_soonest(one for _, one in weights))
    if not any(weight for weight, _ in up):
        up = [(1, one) for _, one in up]
    by_room = {at: weight * one.room for at, (weight, one) in enumerate(up)}
    if not any(by_room.values()):
        by_room = {at: weight for at, (weight, _) in enumerate(up)}
    taken = _alike(by_room, PPM)
    return _joined([one for _, one in weights], [(one, taken[at]) for at, (_, one) in enumerate(up)])


def first(ppm: int, canary: Branch, rest: Branch) -> Branch:
    """The canary's part, as far as it has room, and the rest; either takes all when the other is down."""
    if not canary.parts or not rest.parts:
        return filled((canary, rest))
    part = min(ppm, canary.room)
    return _joined([canary, rest], [(canary, part), (rest, PPM - part)])


def _alike(weights: Mapping[int, int], todo: int) -> dict[int, int]:
    divided = apportion({str(at): weight for at, weight in weights.items()}, todo)
    return {int(at): part for at, part in divided.items()}


def _joined(every: Sequence[Branch], taken: Sequence[tuple[Branch, int]]) -> Branch:
    parts: Parts = {}
    for one, take in taken:
        for name, part in apportion(one.parts, take).items():
            parts[name] = parts.get(name, 0) + part
    parts = {name: part for name, part in parts.items() if part}
    could = dict.fromkeys(name for one, _ in taken for name in (*one.parts, *one.standby))
    standby = tuple(name for name in could if name not in parts and name != NOBODY)
    return Branch(min(PPM, sum(one.room for one, _ in taken)), parts, standby, _soonest(every))


def _soonest(branches: Iterable[Branch]) -> int:
    return soonest([one.until for one in branches])
