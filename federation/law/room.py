"""How much of all requests one candidate can take now: its readiness, held back while it comes back. Pure."""

from federation.model.handout import Candidate
from federation.model.policy import Policy, Ramp
from federation.model.standing import UNKNOWN, Standing

PPM = 1_000_000
OVERPROVISION_PERCENT = 140
"""A member takes 1.4 times its part of ready endpoints: below 100/1.4 of them ready, traffic begins to leave."""

AHEAD = 60_000
"""Milliseconds; a return that begins later than so from now was written down before the clock was set back."""

LOSS_COUNTS_FROM = 10
"""Per cent; less loss than this says nothing of a link (design section 6)."""


def drained(candidate: Candidate, policy: Policy) -> bool:
    """True when it gets nothing while anyone else is ready: by its own word, a Drain here, or the policy."""
    return (candidate.leaving is not None) or candidate.region in policy.drain


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


def risen(since: int, now: int, ramp: Ramp) -> int:
    """What the ramp has given back since then, in parts per million; all of it when `since` is 0 or far ahead."""
    if since == 0 or since > now + AHEAD:
        return PPM
    steps = max(0, now - since) // (ramp.seconds * 1_000)
    return min(PPM, steps * ramp.percent * (PPM // 100))


def line(candidate: Candidate, policy: Policy, now: int) -> int:
    """The height of a candidate's way back: its room at the lowest, and what the ramp gave since."""
    if candidate.since == 0:
        return PPM
    return min(PPM, room_of(candidate.floor, PPM, policy) + risen(candidate.since, now, policy.ramp))


def room_now(candidate: Candidate, policy: Policy, path: Standing, now: int) -> int:
    """The part of all requests that the candidate may get now, in parts per million.

    Evidence that its path is down is for others to weigh: when it is left aside, the path counts as unknown.
    """
    full = room_of(candidate.ready, candidate.total, policy)
    if not path.up:
        path = UNKNOWN
    room = min(full, line(candidate, policy, now), risen(path.since, now, policy.ramp))
    loss = path.loss if path.loss >= LOSS_COUNTS_FROM else 0
    return room * (100 - min(loss, 99)) // 100


def next_step(candidate: Candidate, policy: Policy, path: Standing, now: int) -> int:
    """The next Unix millisecond at which age alone can change the candidate's room; 0 when none will."""
    full = room_of(candidate.ready, candidate.total, policy)
    waits = []
    if line(candidate, policy, now) < full:
        waits.append(candidate.since)
    if path.up and risen(path.since, now, policy.ramp) < full:
        waits.append(path.since)
    step = policy.ramp.seconds * 1_000
    return min((since + (max(0, now - since) // step + 1) * step for since in waits), default=0)
