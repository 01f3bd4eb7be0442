"""What a move would change is looked at in bounds, and never at the controller's expense."""

import asyncio
from typing import Any

import pytest

from federation.adapters.memory import ManualClock
from federation.model.flows import Flow, FlowReport
from federation.model.moves import Manner
from federation.reconcile import foresee
from federation.reconcile.moving import Mover
from tests.unit.reconcile.test_moves import US, WEB, ask, world
from tests.unit.reconcile.test_steering import policy
from tests.worlds.controller import World
from tests.worlds.public_names import NUMBERS, SHOP, place, steered, target

__all__ = ["world"]


def test_what_is_foreseen_is_bounded_and_the_controller_goes_on_meanwhile(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lease of a leader must be renewed while 5,000 services are looked at; the command waits 10 s."""
    monkeypatch.setattr(foresee, "BREATH", 1)
    turns = 0

    async def asked() -> dict[str, Any]:
        async def count() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        other = asyncio.ensure_future(count())
        found = await Mover(world.loop).drain(US, Manner(dry=True))
        other.cancel()
        return found

    found = asyncio.run(asked())
    assert turns == 2, "a turn for each of two localities"
    assert (len(found["changes"]), found["unseen"]) == (1, 0)
    monkeypatch.setattr(foresee, "LOOKED_MAX", 1)
    assert ask(world, "drain", US, Manner(dry=True))["unseen"] == 1


def test_a_public_name_is_looked_at_from_each_place() -> None:
    places = [place(member) for member in NUMBERS]
    seen = foresee.Sight(
        own=US,
        now=0,
        paths={},
        regions={one.member: one.region for one in places},
        numbers=NUMBERS,
        costs={one.member: one.costs for one in places},
    )
    subject = foresee.of_name(steered(SHOP, *map(target, sorted(NUMBERS))), seen)
    found = asyncio.run(foresee.changes(seen, [subject], NUMBERS, foresee.draining(US)))
    assert found.rows == [
        {"of": SHOP, "from": US, "before": {US: 1_000_000}, "after": {"us-west": 1_000_000}},
    ]


def test_room_is_by_the_policys_capacity_where_nobody_says_its_own(world: World) -> None:
    world.cluster.put(policy(capacity=10))
    world.loop.demands.heard("node1", {WEB: FlowReport(WEB, (Flow("shop/client", US, 100_000),))})
    assert isinstance(world.clock, ManualClock)
    world.clock.advance(20)
    world.step()
    assert ask(world, "drain", US, Manner(dry=True))["warnings"] == [
        'safety rule "room": draining us-east leaves 100 rps of shop/web for which others have room for 20; refused '
        "(--force needs --reason)"
    ]
