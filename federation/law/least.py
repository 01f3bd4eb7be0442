"""Never fewer than one on: who is left when a member is drained. Pure; controllers, agents and DNS servers alike."""

from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

from federation.model.handout import Candidate
from federation.model.policy import Policy
from federation.model.standing import UNKNOWN, Standing

Paths = Mapping[str, Standing]

NAMED_MAX = 3
"""Services that a refusal names; the others are counted."""


class Lone(Struct, frozen=True):
    """A service or public name that nobody would serve any more, of so many members that offer it."""

    what: str
    of: int


def is_on(candidate: Candidate, policy: Policy, paths: Paths) -> bool:
    """True when it takes requests: ready, not drained, and not known to be out of reach."""
    stays = candidate.leaving is None and candidate.region not in policy.drain
    return candidate.ready > 0 and stays and paths.get(candidate.member, UNKNOWN).up


def lone(what: str, candidates: Sequence[Candidate], member: str, policy: Policy, paths: Paths) -> Lone | None:
    """What is left without anybody when this member goes; None when somebody is, or it serves nothing of it now."""
    mine = [c for c in candidates if c.member == member]
    if not (mine and is_on(mine[0], policy, paths)):
        return None
    others = [c for c in candidates if c.member != member and is_on(c, policy, paths)]
    return None if others else Lone(what, len(candidates))


def refusal(member: str, found: Iterable[Lone]) -> str:
    """The safety rule that this breaks, naming the first few; "" when none."""
    rows = [f"0 of {one.of} members for {one.what}" for one in found]
    if not rows:
        return ""
    more = f" and {len(rows) - NAMED_MAX} more" if len(rows) > NAMED_MAX else ""
    said = ", ".join(rows[:NAMED_MAX])
    return f'safety rule "min-one-on": draining {member} leaves {said}{more}; refused (--force needs --reason)'
