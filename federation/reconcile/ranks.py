"""Where each member stands for the plans of a pass: what it costs to reach it, whether it is drained, its labels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from federation.model.moves import Leaving
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


def leaves(loop: Loop, states: Mapping[MemberName, PeerState]) -> dict[MemberName, Leaving]:
    """Who gets no requests that another can take: by its own word, or for our clients by a Drain here."""
    said = {name: state.view.get("about") for name, state in states.items()}
    found = {name: one.leaving for name, one in said.items() if isinstance(one, About) and one.leaving}
    for drain in loop.parts.cluster.drains.values():
        found[MemberName(drain.member or loop.parts.own.name)] = Leaving(0, drain.seconds)
    return found
