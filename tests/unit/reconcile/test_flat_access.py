"""What `isthmus access` says of flat mode: what any pod of the caller's member may open, and why not more."""

import asyncio
from pathlib import Path

import pytest
from msgspec import structs

from federation.model.access import AccessRule, Source
from federation.model.flat import Egress, Flat
from federation.model.handout import Offer
from federation.model.names import MemberName, ServiceKey
from federation.reconcile.access import access
from federation.reconcile.flattening import Flattener
from federation.session.tree import Change
from tests.worlds.controller import EU, World

CALLER = "spiffe://eu-central.acme.mesh/ns/shop/sa/cart"
WEB = ServiceKey("shop", "web")
WHY = "packets show no account, method or path, so rules that name one open none, nor do those for other namespaces"
OPENED = {
    "the member": ((AccessRule(sources=(Source(EU),)),), "may open http/TCP by address"),
    "everybody": ((AccessRule(sources=(Source(),)),), "may open http/TCP by address"),
    "another": ((AccessRule(sources=(Source(MemberName("ap-south")),)),), "may open none of its ports by address"),
    "its namespace": ((AccessRule(sources=(Source(EU, "pay"),)),), "may open none of its ports by address"),
    "its namespace, by egress addresses": (
        (AccessRule(sources=(Source(EU, "shop"),)),),
        "may open none of its ports by address; those of its namespace shop http/TCP",
    ),
    "a path": ((AccessRule(sources=(Source(EU),), paths=("/",)),), "may open none of its ports by address"),
}


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path)
    made.local("10.1.1.11")
    made.step()
    return made


def notes(world: World) -> list[str]:
    return [one for one in access(world.loop, WEB, CALLER, "GET", "/")["notes"] if one.startswith("flat mode")]


@pytest.mark.parametrize("case", OPENED)
def test_what_is_open_by_address(world: World, case: str) -> None:
    rules, told = OPENED[case]
    assert notes(world) == []
    asyncio.run(Flattener(world.loop).allow("eu-central"))
    world.peers.view["flat/us-east"] = Flat(MemberName("us-east"))
    world.peers.view["egress/shop"] = Egress("shop", ("10.2.9.0/28",))
    world.loop.peer_changed(EU, Change({"flat/us-east": b"", "egress/shop": b""}, frozenset()))
    plan = world.loop.desired.plans[WEB]
    offer = plan.handout["offer/shop/web"]
    assert isinstance(offer, Offer)
    handout = plan.handout | {"offer/shop/web": structs.replace(offer, access=rules)}
    world.loop.desired.plans[WEB] = structs.replace(plan, handout=handout)
    assert notes(world) == [f"flat mode is in force with eu-central: any pod there {told}; {WHY}"]
