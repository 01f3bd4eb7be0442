"""What members ask of the ledger and wait for, as a person reads it beside each member."""

from __future__ import annotations

from typing import TYPE_CHECKING

from federation.model.ledger import Member
from federation.model.record import Leave, Rotation, Seen

if TYPE_CHECKING:
    from federation.reconcile.loop import Loop


def wishes(loop: Loop, member: Member) -> list[str]:
    """Notes on this member: that it asks to leave, that its anchor is rotated and for whom that waits."""
    return _own(loop) if member.name == loop.parts.own.name else _of_peer(loop, member)


def _own(loop: Loop) -> list[str]:
    told = loop.trust.told
    notes = ["asks to leave"] if any(isinstance(one, Leave) for one in loop.trust.record) else []
    if told.get("phase", "idle") != "idle":
        notes.append(_rotates([row["name"] for row in told.get("waits", ())]))
    return notes


def _of_peer(loop: Loop, member: Member) -> list[str]:
    states = loop.parts.peers.states()
    view = states[member.name].view if member.name in states else {}
    wish = view.get("rotation")
    notes = ["asks to leave"] if isinstance(view.get("leave"), Leave) else []
    if isinstance(wish, Rotation) and (wish.anchor, wish.next_anchor) != (member.anchor, member.next_anchor):
        notes.append(_rotates(["the registrar"]))
    elif member.next_anchor:
        mark = loop.parts.ledger.ledger.mark
        said = {name: state.view.get("seen") for name, state in states.items()}
        notes.append(_rotates([f"member/{n}" for n, s in said.items() if not (isinstance(s, Seen) and s.mark >= mark)]))
    return notes


def _rotates(names: list[str]) -> str:
    return "anchor rotation in progress" + (f": waits for {', '.join(sorted(names))}" if names else "")
