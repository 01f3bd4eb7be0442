"""How much of all requests one candidate can take now: its readiness or capacity, held back while it comes back or
leaves. Pure.
"""

from collections.abc import Callable
from typing import Literal

from federation.law.case import Case
from federation.model.handout import Candidate
from federation.model.moves import STEPS, moved
from federation.model.policy import Policy, Ramp
from federation.model.standing import UNKNOWN, Standing

PPM = 1_000_000
OVERPROVISION_PERCENT = 140
"""A member takes 1.4 times its part of ready endpoints: below 100/1.4 of them ready, traffic begins to leave."""

FILL_PERCENT = 80
"""How much of a known capacity is used while there is other room."""

AHEAD = 60_000
"""Milliseconds; a return that begins later than so from now was written down before the clock was set back."""

LOSS_COUNTS_FROM = 10
"""Per cent; less loss than this says nothing of a link (design section 6)."""

Limit = Callable[[Candidate, Case, int, int], int]
Bound = Literal["grant", "capacity", "readiness"]


def drained(candidate: Candidate, policy: Policy, now: int) -> bool:
    """True when it gets nothing while anyone else is ready: it has left, or the policy drains its region."""
    return staying(candidate, now) == 0 or candidate.region in policy.drain


def staying(candidate: Candidate, now: int) -> int:
    """How much of its room is left of a candidate that leaves, in STEPS-ths."""
    leaving = candidate.leaving
    return STEPS if leaving is None else STEPS - moved(leaving.since, leaving.seconds, now)


def fraction(ready: int, total: int) -> int:
    """The part of a member's endpoints that is ready, in parts per million."""
    return 0 if total <= 0 else min(PPM, ready * PPM // total)


def room_of(ready: int, total: int, policy: Policy) -> int:
    """What a member with `ready` of `total` endpoints can take of all requests, in parts per million."""
    if total <= 0:
        return 0
    if policy.threshold:
        return min(PPM, ready * 100 * PPM // (total * policy.threshold))
    return min(PPM, ready * OVERPROVISION_PERCENT * (PPM // 100) // total)


def capacity_of(candidate: Candidate, policy: Policy) -> int:
    """Requests per second of one ready endpoint: what its exporter says, else the policy; 0 is unknown."""
    return candidate.capacity or policy.capacity


def bound_of(candidate: Candidate, case: Case) -> Bound:
    """Which rule bounds the candidate: its grant, its capacity, or its readiness alone."""
    if not case.demand:
        return "readiness"
    if candidate.grant >= 0 and candidate.member != case.local:
        return "grant"
    return "capacity" if capacity_of(candidate, case.policy) else "readiness"


def granted(candidate: Candidate, case: Case, ready: int, total: int) -> int:
    """What the candidate is given while there is other room, in parts per million, with so many endpoints ready.

    The own member: 0.8 of its capacity. Another: its grant, or without one 0.8 of its capacity under the rule of
    readiness. Whose capacity or all demand is unknown: by readiness.
    """
    bound, by_readiness = bound_of(candidate, case), room_of(ready, total, case.policy)
    if bound == "readiness":
        return by_readiness
    most = _rps(candidate, case, ready, total)
    if bound == "capacity":
        fill = _ppm(most * FILL_PERCENT, case.demand * 100)
        return fill if candidate.member == case.local else min(by_readiness, fill)
    grant = _ppm(candidate.grant, case.demand)
    return min(grant, _ppm(most, case.demand) if capacity_of(candidate, case.policy) else by_readiness)


def whole(candidate: Candidate, case: Case, ready: int, total: int) -> int:
    """All that the candidate can take, in parts per million: its full capacity where it is known."""
    if not case.demand or not capacity_of(candidate, case.policy):
        return room_of(ready, total, case.policy)
    return _ppm(_rps(candidate, case, ready, total), case.demand)


def _rps(candidate: Candidate, case: Case, ready: int, total: int) -> int:
    return 0 if total <= 0 else capacity_of(candidate, case.policy) * candidate.total * ready // total


def _ppm(part: int, demand: int) -> int:
    """Rounded up, so that rooms that make exactly the demand together sum to no less."""
    return min(PPM, -(-part * PPM // demand))


def risen(since: int, now: int, ramp: Ramp) -> int:
    """What the ramp has given back since then, in parts per million; all of it when `since` is 0 or far ahead."""
    if since == 0 or since > now + AHEAD:
        return PPM
    steps = max(0, now - since) // (ramp.seconds * 1_000)
    return min(PPM, steps * ramp.percent * (PPM // 100))


def line(candidate: Candidate, policy: Policy, now: int) -> int:
    """The height of a candidate's way back by readiness: its room at the lowest, and what the ramp gave since."""
    return way_back(candidate, Case("", policy, now=now))


def way_back(candidate: Candidate, case: Case) -> int:
    """The height of a candidate's way back as the case has it."""
    if candidate.since == 0:
        return PPM
    lowest = granted(candidate, case, candidate.floor, PPM)
    return min(PPM, lowest + risen(candidate.since, case.now, case.policy.ramp))


def room_now(candidate: Candidate, case: Case, limit: Limit = granted, ramp: bool = True) -> int:
    """The part of all requests that the candidate may get now, in parts per million; without `ramp` as if it had been
    well for long.

    Evidence that its path is down is for others to weigh: when it is left aside, the path counts as unknown.
    """
    path = case.path(candidate.member)
    if not path.up:
        path = UNKNOWN
    room = limit(candidate, case, candidate.ready, candidate.total)
    if ramp:
        room = min(room, way_back(candidate, case), risen(path.since, case.now, case.policy.ramp))
    loss = path.loss if path.loss >= LOSS_COUNTS_FROM else 0
    return room * (100 - min(loss, 99)) * staying(candidate, case.now) // (100 * STEPS)


def next_step(candidate: Candidate, case: Case) -> int:
    """The next Unix millisecond at which age alone can change the candidate's room; 0 when none will."""
    ramp, path, now = case.policy.ramp, case.path(candidate.member), case.now
    full = whole(candidate, case, candidate.ready, candidate.total)
    waits = []
    if way_back(candidate, case) < full:
        waits.append(_next(candidate.since, ramp.seconds * 1_000, now))
    if path.up and risen(path.since, now, ramp) < full:
        waits.append(_next(path.since, ramp.seconds * 1_000, now))
    leaving = candidate.leaving
    waits.append(next_move(leaving.since, leaving.seconds, now) if leaving else 0)
    return soonest(waits)


def next_move(since: int, seconds: int, now: int) -> int:
    """The next Unix millisecond at which a move goes on; 0 when it is done."""
    return 0 if moved(since, seconds, now) == STEPS else _next(since, seconds * 1_000 // STEPS, now)


def _next(since: int, step: int, now: int) -> int:
    return since + (max(0, now - since) // step + 1) * step


def soonest(moments: list[int]) -> int:
    """The first of these that is any; 0 without one."""
    return min((moment for moment in moments if moment), default=0)


def held_back(candidate: Candidate, case: Case, path: Standing) -> tuple[bool, bool]:
    """Whether the candidate's own way back, and that of the path to it, keep it below its full room now."""
    full = granted(candidate, case, candidate.ready, candidate.total)
    return way_back(candidate, case) < full, risen(path.since, case.now, case.policy.ramp) < full
