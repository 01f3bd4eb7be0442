"""What the law is told anew, written into the journal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from msgspec import Struct

from federation.model.handout import Place
from federation.model.names import ServiceKey
from federation.plan.service import ServicePlan
from federation.reconcile.desired import NOTHING, told

if TYPE_CHECKING:
    from federation.reconcile.loop import Loop

TOLD = ("import/", "steered/")


def note_places(loop: Loop, handout: Mapping[str, Struct]) -> None:
    """Write down where clients of public names stand, where it is new."""
    before = {f"place/{place.member}": place for place in loop.desired.places()}
    moved: dict[str, Struct | None] = {
        key: value for key, value in handout.items() if isinstance(value, Place) and before.get(key) != value
    }
    _note(loop, moved)


def note_services(loop: Loop, plans: Mapping[ServiceKey, ServicePlan]) -> None:
    """Write down what the law is told anew of these services; a host may go from one to the other."""
    gone: dict[str, Struct | None] = {}
    new: dict[str, Struct | None] = {}
    for key, plan in plans.items():
        old, made = told(loop.desired.plans.get(key, NOTHING)), told(plan)
        gone.update((name, None) for name in old.keys() - made.keys())
        new.update((name, value) for name, value in made.items() if old.get(name) != value)
    if not loop.out.started:
        gone.update((name, None) for name in loop.parts.journal.standing() if name.startswith(TOLD))
    _note(loop, gone | new)


def _note(loop: Loop, values: Mapping[str, Struct | None]) -> None:
    if values:
        loop.parts.journal.note(int(loop.parts.clock.wall() * 1_000), values)
