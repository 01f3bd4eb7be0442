"""Room across members (design section 7): what an exporter grants each importer, and what an importer would have each
exporter take. Pure, integers, requests per second; the cost is that of one service.

Importers do not coordinate, so exporters do: together they can never be sent more than the grants say, whatever an
importer claims, and a failover needs no round trip because what nobody asks for is granted as well.
"""

from collections.abc import Collection, Mapping, Sequence

from msgspec import Struct

from federation.law.room import FILL_PERCENT, PPM, capacity_of, room_of
from federation.model.handout import Candidate
from federation.model.names import MemberName
from federation.model.policy import Policy

HEAD_PERCENT = 120
"""What an importer asks for beside what it needs now, so that growth need not wait for the next grant."""

STILL_PERCENT, STILL_RPS = 10, 2
"""What was said stands while what would be said now differs by no more than this, whichever is more."""

Rates = Mapping[MemberName, int]


class Importing(Struct, frozen=True):
    """One member's clients of a service: what they ask of it, its policy, and who could take that, nearest first.

    `rooms` is what the law gives each of these now (ppm): one that comes back takes no more than its ramp.
    """

    own: MemberName
    demand: int
    policy: Policy
    order: Sequence[Candidate]
    rooms: Mapping[MemberName, int] = {}


def room(capacity: int, ready: int) -> int:
    """What so many ready endpoints of this capacity may be given."""
    return capacity * ready * FILL_PERCENT // 100


def grants(whole: int, own: int, wants: Rates, importers: Collection[MemberName]) -> dict[MemberName, int]:
    """What each importer gets of the room `whole`: own clients' demand goes first, then max-min fair over what they
    want, then what is left in even parts. The sum is what own clients leave, never more.
    """
    left = max(0, whole - own)
    fairly = fair(left, {name: wants.get(name, 0) for name in importers})
    spare = evenly(left - sum(fairly.values()), sorted(importers))
    return {name: fairly[name] + spare[name] for name in sorted(importers)}


def fair(left: int, wants: Rates) -> dict[MemberName, int]:
    """Max-min: nobody gets more than it wants, and nobody could get more without another who has no more losing some.

    Who wants everything gets what is left when all who want less have theirs.
    """
    given: dict[MemberName, int] = {}
    ordered = sorted(wants.items(), key=lambda one: (one[1], one[0]))
    for place, (name, wanted) in enumerate(ordered):
        given[name] = min(wanted, left // (len(ordered) - place))
        left -= given[name]
    return given


def evenly(left: int, names: Sequence[MemberName]) -> dict[MemberName, int]:
    """Even parts that sum to the whole; the first by name get one more where it does not divide."""
    if not names:
        return {}
    part, rest = divmod(left, len(names))
    return {name: part + (place < rest) for place, name in enumerate(names)}


def wants(importing: Importing) -> dict[MemberName, int]:
    """What to ask of each exporter: what comes to it when those before it take what they have granted, and head room.

    Only those whose capacity is known are asked; the others take their part by readiness, as the law has it.
    """
    left, found = importing.demand, dict[MemberName, int]()
    for candidate in importing.order:
        if left <= 0:
            break
        known = capacity_of(candidate, importing.policy)
        most = room(known, candidate.ready) if known else _by_readiness(candidate, importing)
        takes = most
        if known and candidate.member != importing.own:
            wanted = min(most, -(-left * HEAD_PERCENT // 100))
            if wanted:
                found[candidate.member] = wanted
            takes = min(most, candidate.grant) if candidate.grant >= 0 else most
        left -= min(left, takes, -(-importing.demand * importing.rooms.get(candidate.member, PPM) // PPM))
    return found


def _by_readiness(candidate: Candidate, importing: Importing) -> int:
    part = room_of(candidate.ready, candidate.total, importing.policy)
    return -(-importing.demand * part // PPM)


def settled(fresh: int, held: int) -> int:
    """The held rate while the fresh one is near it; nothing is never near something."""
    near = abs(fresh - held) <= max(STILL_RPS, held * STILL_PERCENT // 100)
    return held if near and bool(fresh) == bool(held) else fresh


def steady(fresh: Rates, held: Rates, most: int | None = None) -> dict[MemberName, int]:
    """The held rates while they name the same members, none is far from the fresh one and their sum is within `most`;
    else the fresh ones.
    """
    same = fresh.keys() == held.keys() and all(settled(fresh[name], rate) == rate for name, rate in held.items())
    return dict(held if same and (most is None or sum(held.values()) <= most) else fresh)
