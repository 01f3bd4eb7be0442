"""EgressPolicies at a controller: handed to nodes and sidecars' server as they stand, and answered in their status."""

from pathlib import Path
from typing import Any

import pytest

from federation.model.confine import Callee, Confined
from federation.model.imported import Said
from federation.model.names import ServiceKey
from federation.reconcile.explain import Asked, explain
from federation.reconcile.members import Members
from federation.reconcile.ranks import leaves
from federation.wire.k8s.types import CalleeSpec, EgressPolicy, EgressPolicySpec, ObjectMeta
from tests.worlds.controller import World

SPEC = EgressPolicySpec(service_accounts=["cart"], to=[CalleeSpec(namespace="shop")], addresses=["eu-central", "mars"])
TOLD = Confined(
    namespace="shop", name="kept", accounts=("cart",), services=(Callee("shop"),), members=("eu-central", "mars")
)


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path)
    made.step()
    return made


def policy(spec: EgressPolicySpec = SPEC, generation: int = 3) -> EgressPolicy:
    return EgressPolicy(metadata=ObjectMeta(name="kept", namespace="shop", generation=generation), spec=spec)


def given(world: World, program: str) -> dict[str, Any]:
    return {key: value for key, value in world.handout(program).items() if key.startswith("confined/")}


def test_it_is_handed_to_nodes_and_to_nobody_whom_it_does_not_concern(world: World) -> None:
    assert given(world, "node1") == {}
    world.cluster.put(policy())
    assert given(world, "node1") == {"confined/shop/kept": TOLD}
    assert given(world, "gw1") == given(world, "dns1") == {}
    assert not [key for key in world.record() if "confined" in key or "kept" in key]
    world.cluster.put(policy(EgressPolicySpec()))
    assert given(world, "node1") == {"confined/shop/kept": Confined(namespace="shop", name="kept")}
    world.cluster.drop(("EgressPolicy", "shop", "kept"))
    assert given(world, "node1") == {}


def said(world: World) -> list[tuple[int, list[tuple[str, bool, str]]]]:
    loop = world.loop
    found = Members().objects(loop, leaves(loop, loop.parts.peers.states()))
    return [
        (one.generation, [(part.type, part.status, part.message) for part in one.conditions])
        for one in found
        if isinstance(one, Said) and one.kind == "EgressPolicy"
    ]


def test_its_status_says_what_came_of_it(world: World) -> None:
    unknown = ("Known", False, 'There is no member "mars" in the federation (yet).')
    assert said(world) == []
    world.cluster.put(policy())
    assert said(world) == [(3, [("Accepted", True, "In force as written."), unknown])]
    wrong, key = 'field "spec.addresses": "EU" is not a DNS label', ("EgressPolicy", "shop", "kept")
    world.cluster._objects.fault(key, ServiceKey("shop", "kept"), wrong, 4)
    assert said(world) == [(4, [("Accepted", False, f"{wrong}; the last good one stays in force"), unknown])]
    world.cluster.drop(key)
    assert said(world) == [(4, [("Accepted", False, f"{wrong}; it is not in force")])]


def test_one_that_is_wrong_is_no_word_against_the_export_of_that_name(world: World) -> None:
    world.local("10.1.1.11")
    before = world.record()
    world.cluster._objects.fault(("EgressPolicy", "shop", "web"), ServiceKey("shop", "web"), "wrong", 1)
    world.loop.wake(ServiceKey("shop", "web"))
    assert world.record() == before
    conditions = str(world.loop.desired.plans[ServiceKey("shop", "web")].cluster)
    assert "wrong" not in conditions


def test_explain_says_who_stays_at_home(world: World) -> None:
    world.local("10.1.1.11")
    world.step()
    about = Asked(ServiceKey("shop", "web"), "us-east")
    notes = explain(world.loop, about)["notes"]
    world.cluster.put(policy(EgressPolicySpec(to=[CalleeSpec(namespace="pay")])))
    kept = "clients shop/* stay at home: no EgressPolicy for them lists it"
    assert explain(world.loop, about)["notes"] == [*notes, kept]
    world.cluster.put(policy(EgressPolicySpec(service_accounts=["b", "a"])))
    assert explain(world.loop, about)["notes"] == [*notes, kept.replace("shop/*", "shop/a, shop/b")]
    world.cluster.put(policy(EgressPolicySpec(to=[CalleeSpec(service="web")])))
    assert explain(world.loop, about)["notes"] == notes
