"""A public name as the law is asked about it from one place. Pure: the same in DNS servers and in explain."""

from collections.abc import Mapping

from msgspec import structs

from federation.model.handout import Candidate
from federation.model.names import MemberName
from federation.model.policy import Policy
from federation.model.public import GlobalName

UNMEASURED = 1_000
"""Milliseconds; what it costs to reach a member that nobody measured, raised by its number."""


def cost_to(member: MemberName, number: int, place: str, costs: Mapping[MemberName, int]) -> int:
    """What it costs to reach a member (of this admission number) from a place with these measured costs, in ms."""
    return 0 if member == place else costs.get(member, UNMEASURED + number)


def seen_from(candidate: Candidate, number: int, place: str, costs: Mapping[MemberName, int]) -> Candidate:
    """The candidate with the cost that it has from that place."""
    return structs.replace(candidate, cost=cost_to(candidate.member, number, place, costs))


def policy_of(name: GlobalName) -> Policy:
    """The policy in force for a public name: weights count for weighted names only."""
    return name.policy if name.steering == "weighted" else structs.replace(name.policy, weights={})
