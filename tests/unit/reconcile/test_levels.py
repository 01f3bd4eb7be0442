"""What wins over what: a service's policy, its namespace's, the federation's, the oldest exporter's hint."""

from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from federation.model.access import AccessRule, Source
from federation.model.ledger import Settings
from federation.model.names import MemberName, ServiceKey
from federation.model.policy import Panic, Policy, Ramp
from federation.model.record import About, Endpoint, Export, Port, Slice
from federation.model.resilience import Resilience, Retries, Timeouts
from federation.model.wish import Wish
from federation.reconcile.explain import Asked, explain
from federation.reconcile.status import status
from federation.wire.k8s import types as k8s
from federation.wire.k8s.accesses import AccessPolicySpec, SourceSpec
from federation.wire.k8s.policies import PanicSpec, PortionSpec, PriceSpec, RetriesSpec, TimeoutsSpec, TrafficPolicySpec
from federation.wire.k8s.types import ObjectMeta
from tests.worlds.controller import EU, World

WEB, API = ServiceKey("shop", "web"), ServiceKey("shop", "api")
ALL = ("10.1.1.11", "10.1.1.12")


def policy(name: str = "web", created: str = "2026-11-21T12:00:00Z", **spec: Any) -> k8s.TrafficPolicy:
    metadata = ObjectMeta(name=name, namespace="shop", creation_timestamp=created)
    return k8s.TrafficPolicy(metadata=metadata, spec=TrafficPolicySpec(**spec))


def falls_to(name: str) -> PanicSpec:
    return PanicSpec(action="fallback", fallback=name)


def access(name: str, service: str = "", member: str = "eu-central") -> k8s.AccessPolicy:
    spec = AccessPolicySpec(service=service, sources=[SourceSpec(member=member)])
    return k8s.AccessPolicy(metadata=ObjectMeta(name=name, namespace="shop"), spec=spec)


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path)
    made.local(*ALL)
    hint = Wish(capacity=70, timeouts=Timeouts(request=900), ramp=Ramp(1, 1))
    part = Slice(service=WEB, az="a", ports=(Port("http", 8080),), endpoints=(Endpoint("10.2.1.11"),))
    theirs = Export(service=API, ports=(Port("http", 80, "TCP", "http"),), hint=hint)
    made.peer_says(theirs, structs.replace(part, service=API))
    made.step()
    return made


def imported(world: World, name: str = "api") -> Policy:
    found: Policy = world.handout("node1")[f"import/shop/{name}"].policy
    return found


def asks(world: World, wish: Wish) -> None:
    world.source.ledger = structs.replace(world.source.ledger, settings=Settings(policy=wish))
    world.loop.peer_changed(MemberName("eu-central"), None)


def notes(world: World) -> list[str]:
    world.step()
    return [text for row in status(world.loop)["services"] for text in row["notes"]]


def test_each_field_comes_from_the_strongest_level_that_says_anything(world: World) -> None:
    assert imported(world) == Policy(ramp=Ramp(1, 1), resilience=Resilience(timeouts=Timeouts(request=900)))
    asks(world, Wish(ramp=Ramp(2, 2), threshold=60, drain=("us-east",)))
    world.cluster.put(policy("all", target="Namespace", threshold=50, retries=RetriesSpec(attempts=7)))
    world.cluster.put(policy("api", timeouts=TimeoutsSpec(request_ms=100)))
    resilience = Resilience(timeouts=Timeouts(request=100), retries=Retries(attempts=7))
    assert imported(world) == Policy(ramp=Ramp(2, 2), threshold=50, drain=("us-east",), resilience=resilience)
    assert explain(world.loop, Asked(API, "us-east"))["levels"] == {
        "timeouts": "service",
        "threshold": "namespace",
        "retries": "namespace",
        "drain": "federation",
        "ramp": "federation",
    }
    world.cluster.drop(("TrafficPolicy", "shop", "all"))
    assert imported(world).threshold == 60


def test_a_policy_of_the_namespace_is_for_all_of_it_and_for_no_other(world: World) -> None:
    world.cluster.put(policy("all", target="Namespace", threshold=50))
    assert (imported(world).threshold, imported(world, "web").threshold) == (50, 50)
    elsewhere = structs.replace(policy("all", target="Namespace", threshold=40))
    world.cluster.put(structs.replace(elsewhere, metadata=ObjectMeta(name="all", namespace="ops")))
    assert imported(world).threshold == 50


def test_the_second_policy_for_a_namespace_is_refused(world: World) -> None:
    world.cluster.put(policy("b", "2026-11-21T12:00:01Z", target="Namespace", threshold=40))
    world.cluster.put(policy("a", "2026-11-21T12:00:02Z", target="Namespace", threshold=50))
    assert imported(world).threshold == 40
    assert notes(world) == [
        'TrafficPolicy shop/a: field "spec.target": TrafficPolicy "b" is for the whole namespace already; '
        "delete one of both; it is not in force"
    ]
    world.cluster.drop(("TrafficPolicy", "shop", "b"))
    assert imported(world).threshold == 50
    assert notes(world) == []


def test_a_bad_policy_of_the_namespace_leaves_the_last_good_in_force_even_over_a_restart(world: World) -> None:
    world.cluster.put(policy("all", target="Namespace", order=["eu-central"]))
    assert imported(world).order == ("eu-central",)
    world.cluster.put(policy("all", target="Namespace", order=["mars"]))
    assert imported(world).order == ("eu-central",)
    told = (
        'TrafficPolicy shop/all: field "spec.order": no member is in region "mars"; known: eu-central, us-east; '
        "the last good policy stays in force"
    )
    assert notes(world) == [told]
    world.loop = world.start()
    assert imported(world).order == ("eu-central",)


CIRCLES = {
    ("web", "api"): "web -> api -> web",
    ("web", "api", "db"): "web -> api -> db -> web",
}


@pytest.mark.parametrize("services", CIRCLES)
def test_fallbacks_in_a_circle_are_refused_and_the_last_good_stays(world: World, services: tuple[str, ...]) -> None:
    first, *others = services
    for name, to in zip(others, [*others[1:], first], strict=True):
        world.cluster.put(policy(name, panic=falls_to(to)))
    world.cluster.put(policy(first, threshold=50))
    world.step()
    world.cluster.put(policy(first, panic=falls_to(others[0])))
    assert imported(world, first) == structs.replace(Policy(), threshold=50)
    assert f'TrafficPolicy shop/{first}: field "spec.panic.fallback": {CIRCLES[services]} leads back to itself; ' + (
        "the last good policy stays in force"
    ) in notes(world)
    world.cluster.drop(("TrafficPolicy", "shop", others[-1]))
    assert imported(world, first).panic == Panic("fallback", 0, others[0])
    assert notes(world) == []


UNKNOWN: dict[str, tuple[Any, str, str]] = {
    "order": (
        ["member/eu-centrall"],
        'order": there is no member "eu-centrall"; known: eu-central, us-east',
        "eu-central",
    ),
    "residency": (["mars"], 'residency": no member is in region "mars"; known: eu-central, us-east', ""),
    "least": ({"eu": 10}, 'minShare": no member is in region "eu"; known: eu-central, us-east', ""),
    "most": ({"eu": 10}, 'maxShare": no member is in region "eu"; known: eu-central, us-east', ""),
    "prices": (
        [PriceSpec(source="*", to="mars", per_gb=0.1)],
        'prices": no member is in region "mars"; known: eu-central, us-east',
        "",
    ),
    "canary": (
        PortionSpec(to="label/tier=gold", percent=1),
        'canary.to": no member has the label "tier=gold"; known: tier=silver',
        "tier=silver",
    ),
    "mirror": (
        PortionSpec(to="label/tier=silve", percent=1),
        'mirror.to": no member has the label "tier=silve"; known: tier=silver',
        "tier=silver",
    ),
}


@pytest.mark.parametrize("field", UNKNOWN)
def test_what_nobody_is_called_is_refused(world: World, field: str) -> None:
    value, text, meant = UNKNOWN[field]
    world.peer_says(About(EU, "eu-central", "1", labels={"tier": "silver"}))
    world.cluster.put(policy("web", **{field: value}))
    hint = f' (did you mean "{meant}"?)' if meant else ""
    assert notes(world) == [f'TrafficPolicy shop/web: field "spec.{text}{hint}; the last good policy stays in force']
    assert imported(world, "web") == Policy()


def test_access_policies_add_up_for_a_service_and_its_namespace(world: World) -> None:
    everyone, front = AccessRule(sources=(Source("eu-central"),)), AccessRule(sources=(Source("mars"),))
    world.cluster.drop(("AccessPolicy", "shop", "all"))
    world.cluster.put(access("everyone"))
    world.cluster.put(access("front", "web", "mars"))
    assert world.cluster.service(WEB).access == (everyone, front)
    assert world.cluster.service(API).access == (everyone,)
    assert world.handout("gw1")["offer/shop/web"].access == (everyone, front)
    world.cluster.drop(("AccessPolicy", "shop", "everyone"))
    assert world.handout("gw1")["offer/shop/web"].access == (front,)
