"""What a ruling says of itself, one line a rule. Pure."""

from collections.abc import Mapping

from federation.law.case import Case
from federation.law.room import FILL_PERCENT, bound_of, capacity_of, drained, granted, held_back, room_now, staying
from federation.law.terms import MICROS, price_cost, price_to, resides
from federation.model.handout import Candidate
from federation.model.moves import STEPS, Shift
from federation.model.policy import Policy
from federation.model.standing import Standing


def percent(ppm: int) -> str:
    """Parts per million as a percentage with at most four decimals, exactly."""
    whole, fraction = divmod(ppm, 10_000)
    return f"{whole}.{fraction:04d}".rstrip("0").rstrip(".") + " %"


def inputs(candidate: Candidate, case: Case) -> str:
    """A candidate's inputs and what they allow it."""
    said = f"{candidate.member}: {candidate.ready} of {candidate.total} ready, {cost(candidate, case)}"
    path = case.path(candidate.member)
    if not resides(candidate, case.policy):
        return f"{said}, outside the residency"
    if drained(candidate, case.policy, case.now):
        return f"{said}, drained"
    if not path.up:
        return f"{said}, the way there is down{_since(path, case.now)}"
    return f"{said}, room for {percent(room_now(candidate, case))}{_bound(candidate, case)}{_held(candidate, case)}"


def cost(candidate: Candidate, case: Case) -> str:
    """What it costs, and which part of that is price."""
    added = price_cost(candidate, case)
    if not added:
        return f"cost {candidate.cost}"
    price = decimal(price_to(candidate, case))
    return f"cost {candidate.cost + added} ({candidate.cost} ms away, {added} for a price of {price} per GB)"


def decimal(micros: int) -> str:
    """Millionths of the currency as a decimal number, exactly."""
    whole, fraction = divmod(micros, MICROS)
    return f"{whole}.{fraction:06d}".rstrip("0").rstrip(".")


def _bound(candidate: Candidate, case: Case) -> str:
    bound = bound_of(candidate, case)
    if bound == "readiness":
        return ""
    if bound == "grant":
        return f" of {case.demand} rps (grants {candidate.grant} rps)"
    each = capacity_of(candidate, case.policy)
    return f" of {case.demand} rps ({FILL_PERCENT} % of {candidate.ready} x {each} rps)"


def _held(candidate: Candidate, case: Case) -> str:
    path, policy = case.path(candidate.member), case.policy
    back, way = held_back(candidate, case, path)
    said = []
    if candidate.leaving:
        said.append(f"leaves, {STEPS - staying(candidate, case.now)} of {STEPS} steps done")
    if back:
        said.append(f"comes back since {seconds(case.now - candidate.since)}")
    if way:
        said.append(f"the way there is up again since {seconds(case.now - path.since)}")
    if path.loss:
        said.append(f"{path.loss} % lost on the way")
    full = percent(granted(candidate, case, candidate.ready, candidate.total))
    ramp = f"; return {policy.ramp.percent} % per {policy.ramp.seconds} s of {full}"
    return f" ({', '.join(said)}{ramp})" if said else ""


def _since(path: Standing, now: int) -> str:
    return f" since {seconds(now - path.since)}" if path.since else ""


def seconds(milliseconds: int) -> str:
    """A duration for people."""
    return f"{max(0, milliseconds) / 1000:.1f} s"


def nobody_resides(policy: Policy) -> str:
    """A residency that leaves nobody."""
    return f"no member within the residency ({', '.join(policy.residency)}) offers it: no shares"


def takes(candidate: Candidate, take: int, case: Case, place: int) -> str:
    """Who takes how much, and by which rule; `place` is its place in the policy's order."""
    why = "next by cost"
    if candidate.member == case.local:
        why = "local first"
    elif place < len(case.policy.order):
        why = "next by the policy's order"
    return f"{candidate.member} takes {percent(take)} ({why})"


FULL = "no granted room is left: up to its full capacity"
NO_RAMP = "no other room is left: its ramp is left aside"
FULL_NO_RAMP = "no other room is left: its ramp is left aside, up to its full capacity"


def takes_more(name: str, more: int, why: str) -> str:
    """A member beyond what it was given."""
    return f"{name} takes {percent(more)} more ({why})"


def weighed(parts: Mapping[str, int]) -> str:
    """The division by weights."""
    said = ", ".join(f"{member} {percent(ppm)}" for member, ppm in parts.items() if ppm)
    return f"by the policy's weights and readiness: {said}"


def bounded(region: str, before: int, after: int) -> str:
    """A region's share that a bound changed."""
    return f"region {region}: {percent(before)} by the law, {percent(after)} by least and most shares"


def shifted(shift: Shift, asked: int, part: int, eligible: bool) -> str:
    """What a shift moves, and why not more."""
    said = f"shift from {shift.source} to {shift.to}: {percent(part)}"
    if part == asked:
        return said
    why = "has no room for more" if eligible else "may not get requests now"
    return f"{said} of {percent(asked)}; {shift.to} {why}"


def policy(name: str, parts: Mapping[str, int]) -> str:
    """What a node of a tree makes of its branches."""
    said = ", ".join(f"{member or 'no address'} {percent(ppm)}" for member, ppm in parts.items())
    return f"policy {name}: {said}"


_DOWN = {
    "up": "the one above decides",
    "open": "open, as if ready",
    "closed": "closed, no address",
    "last": "last good",
}


def too_few(name: str, up: int, least: int, down: str) -> str:
    """A node that counts as down."""
    return f"policy {name}: {up} can take requests, {least} must: {_DOWN[down]}"
