"""When a candidate is on its way back, and from where: the one thing the law needs of the past. Pure.

It is written down as an age, so that whoever reads a candidate computes the same share from it, now or for yesterday.
"""

from msgspec import structs

from federation.law.room import fraction, line, room_of
from federation.model.handout import Candidate
from federation.model.policy import Policy


def follow(before: Candidate | None, fresh: Candidate, policy: Policy, now: int) -> Candidate:
    """`fresh` with the way back that follows from what stood before; `now` in Unix milliseconds.

    A first sight is no return, and neither is a rise that the ramp need not hold back.
    """
    if before is None:
        return structs.replace(fresh, floor=0, since=0)
    old = room_of(before.ready, before.total, policy)
    if line(before, policy, now) < old:
        floor = min(before.floor, fraction(fresh.ready, fresh.total))
        return structs.replace(fresh, floor=floor, since=before.since)
    if room_of(fresh.ready, fresh.total, policy) > old:
        return structs.replace(fresh, floor=fraction(before.ready, before.total), since=now)
    return structs.replace(fresh, floor=0, since=0)
