"""Where each member stands for the plans of a pass: what it costs to reach it, whether it is drained, its labels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from federation.model.moves import Leaving, soonest
from federation.model.names import MemberName
from federation.model.record import About
from federation.ports import PeerState
from federation.reconcile.observed import Rank

if TYPE_CHECKING:
    from federation.reconcile.loop import Loop


def ranks(
    loop: Loop, states: Mapping[MemberName, PeerState], leaves: Mapping[MemberName, Leaving]
) -> dict[MemberName, Rank]:
    """The rank of each member that we work with."""
    found = {}
    for member in loop.parts.ledger.ledger.seen_from(loop.parts.own.name):
        about = states[member.name].view.get("about") if member.name in states else None
        labels = about.labels if isinstance(about, About) else {}
        leaving = leaves.get(member.name)
        found[member.name] = Rank(member.number, loop.links.cost(member), member.region, leaving, labels)
    return found


def labels(states: Mapping[MemberName, PeerState]) -> list[dict[str, str]]:
    """What others say of themselves."""
    said = (state.view.get("about") for state in states.values())
    return [one.labels for one in said if isinstance(one, About)]


def leaves(loop: Loop, states: Mapping[MemberName, PeerState]) -> dict[MemberName, Leaving]:
    """Who is drained for our clients: by its own word, by the ledger, or by what was asked for here."""
    said = {name: state.view.get("about") for name, state in states.items()}
    found = {name: one.leaving for name, one in said.items() if isinstance(one, About) and one.leaving}
    for asked in (loop.parts.ledger.ledger.settings.drains, loop.moves.leaves()):
        for member, leaving in asked.items():
            found[member] = soonest([leaving, *filter(None, [found.get(member)])]) or leaving
    return found
