"""When a candidate is on its way back, and from where: the one thing the law needs of the past. Pure.

It is written down as an age, so that whoever reads a candidate computes the same share from it, now or for yesterday.
"""

from bisect import bisect_right

from msgspec import structs

from federation.law.case import Case
from federation.law.room import PPM, fraction, granted, staying, way_back
from federation.model.handout import Candidate
from federation.model.moves import STEPS
from federation.model.policy import Policy


def follow(
    before: Candidate | None, fresh: Candidate, policy: Policy, now: int, *, demand: int = 0, own: bool = False
) -> Candidate:
    """`fresh` with the way back that follows from what stood before; `now` in Unix milliseconds.

    A first sight is no return, and neither is a rise that the ramp need not hold back. `demand` is that of the clients
    (requests per second, 0 unknown), `own` says that the candidate is their own member.
    """
    if before is None:
        return structs.replace(fresh, floor=0, since=0)
    case = Case(fresh.member if own else "", policy, now=now, demand=demand)
    if before.leaving and not fresh.leaving:
        return structs.replace(fresh, floor=_stayed(before, case), since=now)
    old = granted(before, case, before.ready, before.total)
    if way_back(before, case) < old:
        floor = min(before.floor, fraction(fresh.ready, fresh.total))
        return structs.replace(fresh, floor=floor, since=before.since)
    if granted(fresh, case, fresh.ready, fresh.total) > old:
        return structs.replace(fresh, floor=fraction(before.ready, before.total), since=now)
    return structs.replace(fresh, floor=0, since=0)


def _stayed(before: Candidate, case: Case) -> int:
    """The floor at which a candidate that no longer leaves has just the room that leaving had left it."""
    full = granted(before, case, before.ready, before.total)
    room = min(full, way_back(before, case)) * staying(before, case.now) // STEPS
    if not room:
        return 0
    at = bisect_right(range(PPM + 1), room, key=lambda floor: granted(before, case, floor, PPM))
    return min(at - 1, fraction(before.ready, before.total))
