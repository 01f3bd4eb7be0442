"""What the handout of one program says of where it stands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from federation.config import Enrolment
from federation.model.handout import Here

if TYPE_CHECKING:
    from federation.reconcile.loop import Loop


def here(loop: Loop, one: Enrolment) -> Here:
    """Of a node also its address in the overlay and its egress addresses."""
    if one.role != "node":
        return Here(one.az, pods=one.pods)
    own = loop.parts.ledger.ledger.members[loop.parts.own.name]
    return Here(one.az, loop.allocations.node(one.name, own.overlay), one.pods, loop.egress.of(one.name, own))
