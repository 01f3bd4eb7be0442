"""What a ruling says of itself, one line a rule. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from federation.law.room import drained, line, risen, room_now, room_of
from federation.model.handout import Candidate
from federation.model.policy import Policy
from federation.model.standing import Standing

if TYPE_CHECKING:
    from federation.law.shares import Share


def percent(ppm: int) -> str:
    """Parts per million as a percentage with at most four decimals, exactly."""
    whole, fraction = divmod(ppm, 10_000)
    return f"{whole}.{fraction:04d}".rstrip("0").rstrip(".") + " %"


def inputs(candidate: Candidate, path: Standing, policy: Policy, now: int) -> str:
    """A candidate's inputs and what they allow it."""
    said = f"{candidate.member}: {candidate.ready} of {candidate.total} ready, cost {candidate.cost}"
    if drained(candidate, policy):
        return f"{said}, drained"
    if not path.up:
        return f"{said}, the way there is down{_since(path, now)}"
    room = percent(room_now(candidate, policy, path, now))
    return f"{said}, room for {room}{_held_back(candidate, policy, path, now)}"


def _held_back(candidate: Candidate, policy: Policy, path: Standing, now: int) -> str:
    full = room_of(candidate.ready, candidate.total, policy)
    said = []
    if line(candidate, policy, now) < full:
        said.append(f"comes back since {seconds(now - candidate.since)}")
    if risen(path.since, now, policy.ramp) < full:
        said.append(f"the way there is up again since {seconds(now - path.since)}")
    if path.loss:
        said.append(f"{path.loss} % lost on the way")
    ramp = f"; return {policy.ramp.percent} % per {policy.ramp.seconds} s of {percent(full)}"
    return f" ({', '.join(said)}{ramp})" if said else ""


def _since(path: Standing, now: int) -> str:
    return f" since {seconds(now - path.since)}" if path.since else ""


def seconds(milliseconds: int) -> str:
    """A duration for people."""
    return f"{max(0, milliseconds) / 1000:.1f} s"


def takes(candidate: Candidate, take: int, local: str, policy: Policy) -> str:
    """Who takes how much, and by which rule."""
    why = "next by cost"
    if candidate.member == local:
        why = "local first"
    elif candidate.region in policy.order:
        why = "next by the policy's order"
    return f"{candidate.member} takes {percent(take)} ({why})"


def weighed(shares: tuple[Share, ...]) -> str:
    """The division by weights."""
    parts = ", ".join(f"{share.member} {percent(share.ppm)}" for share in shares)
    return f"by the policy's weights and readiness: {parts}"
