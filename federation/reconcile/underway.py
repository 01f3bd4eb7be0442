"""The drains and shifts in force, as status shows them: who, by whom, since when, and how far."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from federation.model.moves import STEPS, Order, Shift, moved
from federation.model.record import About
from federation.reconcile.loop import Loop


def under_way(loop: Loop) -> dict[str, Any]:
    """Everything that moves requests here, and why nothing may begin now ("": it may)."""
    now = int(loop.parts.clock.wall() * 1_000)
    drains = [_drain(member, by, order, now) for member, by, order in _drains(loop)]
    return {"drains": drains, "shifts": list(_shifts(loop, now)), "frozen": loop.moves.frozen}


def _drains(loop: Loop) -> Iterator[tuple[str, str, Order]]:
    own, moves = loop.parts.own.name, loop.moves
    for member, order in sorted(moves.orders.items()):
        yield member, "own record" if member == own else "here", order
    for label, begun in sorted(moves.objects.items()):
        yield begun.member or own, f"Drain {label}", begun.order
    for name, leaving in sorted(loop.parts.ledger.ledger.settings.drains.items()):
        yield name, "ledger", Order(leaving.since, leaving.seconds)
    for name, state in sorted(loop.parts.peers.states().items()):
        about = state.view.get("about")
        if isinstance(about, About) and about.leaving is not None:
            yield name, "own record", Order(about.leaving.since, about.leaving.seconds)
    for node, agent in sorted(loop.parts.agents.states().items()):
        for told, order in sorted(agent.node.drains.items() if agent.node is not None else ()):
            yield told, f"agent {node}", order


def _drain(member: str, by: str, order: Order, now: int) -> dict[str, Any]:
    return {"member": member, "by": by, "reason": order.reason, **_progress(order.since, order.seconds, now)}


def _shifts(loop: Loop, now: int) -> Iterator[dict[str, Any]]:
    own = loop.parts.own.name
    for asked in (asked for _, asked in sorted(loop.moves.shifts.items())):
        yield _shift(asked.shift, "own record" if asked.shift.source == own else "here", asked.reason, now)
    for one in loop.parts.ledger.ledger.settings.shifts:
        yield _shift(one, "ledger", "", now)
    for said in sorted(loop.index.all_shifts(), key=lambda one: (one.source, one.service, one.to)):
        yield _shift(said, "own record", "", now)


def _shift(shift: Shift, by: str, reason: str, now: int) -> dict[str, Any]:
    said = {"service": str(shift.service), "from": shift.source, "to": shift.to, "ppm": shift.ppm}
    return {**said, "by": by, "reason": reason, **_progress(shift.since, shift.seconds, now)}


def _progress(since: int, seconds: int, now: int) -> dict[str, int]:
    """`ahead`: so many milliseconds from now it begins by another's clock; until then it stands at its first step."""
    ahead = max(0, since - now) if seconds else 0
    return {"since": since, "seconds": seconds, "step": moved(since, seconds, now), "of": STEPS, "ahead": ahead}
