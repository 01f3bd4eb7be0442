"""Rules 2.1 to 2.6 and 2.8 of research/xds-trust.md on the real Envoy, by what our renderer makes of a cluster.

Each test bears the number of its rule.
"""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from federation.model.resilience import Outlier, Resilience, SlowStart
from gateways.services import opened
from gateways.state import Locality, NodeState
from tests.e2e.envoy_rig import Backend, Rig, ask, backends, burst, envoy, locality, replaced, service
from tests.worlds.ports import free_port

MANY = 4_000
POINTS = 1.0


def on_envoy(served: tuple[Backend, ...], story: Callable[[Rig, int], Awaitable[None]]) -> None:
    async def run() -> None:
        async with envoy(served) as rig:
            await story(rig, free_port())

    asyncio.run(run())


def near(found: dict[str, float], **wanted: float) -> bool:
    return all(abs(found[name] - part) <= POINTS for name, part in wanted.items())


@pytest.mark.parametrize(
    ("sick", "standby"), [(0, False), (1, False), (3, False), (3, True)], ids=["none", "one", "three", "with-standby"]
)
def test_2_1_sick_hosts_change_no_share(sick: int, standby: bool) -> None:
    """With overprovisioning at 100,000 the law alone counts health: no load leaves a priority with one host ready."""
    us, (eu, ap) = backends("us1", "us2", "us3", "us4"), backends("eu", "ap")

    async def story(rig: Rig, port: int) -> None:
        hosts = (one.host("unready" if i < sick else "ready") for i, one in enumerate(us))
        more = (locality("ap", 0, ap.host(), standby=1),) if standby else ()
        await rig.put(service(port, locality("us", 700_000, *hosts), locality("eu", 300_000, eu.host()), *more))
        found = await rig.shares(port, MANY)
        assert near(found, eu=30, ap=0)

    on_envoy((*us, eu, ap), story)


def test_2_1_a_gateway_for_many_pods_counts_by_weight_not_by_hosts() -> None:
    """weighted_priority_health: nine sick hosts beside one that is well drive nothing to a standby."""
    us, (eu, ap) = backends(*(f"us{i}" for i in range(9))), backends("eu", "ap")

    async def story(rig: Rig, port: int) -> None:
        sick = locality("us", 100_000, *(one.host("unready") for one in us))
        state = service(port, sick, locality("eu", 900_000, eu.host()), locality("ap", 0, ap.host(), standby=1))
        await rig.put(state)
        assert near(await rig.shares(port, MANY), eu=100, ap=0)

    on_envoy((*us, eu, ap), story)


def test_2_1_standbys_are_tried_in_their_order() -> None:
    us, eu, ap = backends("us", "eu", "ap")

    async def story(rig: Rig, port: int) -> None:
        await rig.put(standing_by(port, us.host("unready").state, us, eu, ap))
        assert near(await rig.shares(port, MANY), us=0, eu=100, ap=0)

    on_envoy((us, eu, ap), story)


def standing_by(port: int, state: str, us: Backend, eu: Backend, ap: Backend) -> NodeState:
    first, second = locality("eu", 0, eu.host(), standby=1), locality("ap", 0, ap.host(), standby=2)
    return service(port, locality("us", 1_000_000, us.host(state)), first, second)


@pytest.mark.parametrize("parts", [(700_000, 299_000, 1_000), (500_000, 300_000, 200_000), (999_000, 1_000, 0)])
def test_2_2_shares_hold(parts: tuple[int, int, int]) -> None:
    served = backends("us", "eu", "ap")

    async def story(rig: Rig, port: int) -> None:
        await rig.put(service(port, *(locality(b.name, p, b.host()) for b, p in zip(served, parts, strict=True))))
        found = await rig.shares(port, 10_000)
        assert all(abs(found[b.name] - p / 10_000) <= 0.5 for b, p in zip(served, parts, strict=True))

    on_envoy(served, story)


def test_2_2_a_missing_weight_is_no_traffic() -> None:
    us, eu = backends("us", "eu")

    async def story(rig: Rig, port: int) -> None:
        await rig.put(service(port, locality("us", 1_000_000, us.host()), locality("eu", 0, eu.host())))
        assert (await rig.shares(port, MANY))["eu"] == 0
        await rig.put(service(port, locality("us", 0, us.host()), locality("eu", 0, eu.host())))
        assert [(await ask(port))[0] for _ in range(20)] == [503] * 20

    on_envoy((us, eu), story)


def test_2_2_a_canary_of_a_thousandth() -> None:
    """0.1 % over 100,000 requests is 100, give or take 5: turns are spaced, not drawn."""
    us, eu = backends("us", "eu")

    async def story(rig: Rig, port: int) -> None:
        await rig.put(service(port, locality("us", 999_000, us.host()), locality("eu", 1_000, eu.host())))
        await rig.shares(port, 100_000)
        assert abs((await rig.counted())["eu"] - 100) <= 5

    on_envoy((us, eu), story)


def test_2_3_panic_sprays_nothing_abroad() -> None:
    """With everything sick Envoy's own panic would spread requests over all hosts; at threshold 0 they fail."""
    us, eu = backends("us1", "us2"), backends("eu1", "eu2", "eu3", "eu4", "eu5", "eu6")

    async def story(rig: Rig, port: int) -> None:
        abroad = locality("eu", 0, *(one.host("unready") for one in eu), standby=1)
        await rig.put(service(port, locality("us", 1_000_000, *(one.host("unready") for one in us)), abroad))
        assert [(await ask(port))[0] for _ in range(50)] == [503] * 50
        assert sum((await rig.counted()).values()) == 0

    on_envoy((*us, *eu), story)


def test_2_3_panic_open_takes_the_sick_but_not_the_leaving() -> None:
    us = backends("us1", "us2", "us3")

    async def story(rig: Rig, port: int) -> None:
        states = ("unready", "unready", "draining")
        hosts = (one.host(state) for one, state in zip(us, states, strict=True))
        await rig.put(service(port, locality("us", 1_000_000, *opened(tuple(hosts)))))
        assert near(await rig.shares(port, MANY), us1=50, us2=50, us3=0)

    on_envoy(us, story)


def test_2_4_draining_hosts_are_left_out_and_count_for_nothing() -> None:
    us, (eu,) = backends("us1", "us2", "us3", "us4"), backends("eu")

    async def story(rig: Rig, port: int) -> None:
        hosts = (one.host("draining" if i < 2 else "ready") for i, one in enumerate(us))
        state = service(port, locality("us", 1_000_000, *hosts), locality("eu", 0, eu.host(), standby=1))
        await rig.put(state)
        assert near(await rig.shares(port, MANY), us1=0, us2=0, us3=50, us4=50, eu=0)

    on_envoy((*us, eu), story)


def test_2_5_envoys_own_zone_routing_is_off() -> None:
    """The Envoy stands in us; its share of 10 % is not made more by that, with enough hosts for Envoy's own rule."""
    us, eu = backends(*(f"us{i}" for i in range(6))), backends(*(f"eu{i}" for i in range(6)))

    async def story(rig: Rig, port: int) -> None:
        near_by = locality("us", 100_000, *(one.host() for one in us))
        await rig.put(service(port, near_by, locality("eu", 900_000, *(one.host() for one in eu))))
        found = await rig.shares(port, MANY)
        assert abs(sum(part for name, part in found.items() if name.startswith("eu")) - 90) <= POINTS

    on_envoy((*us, *eu), story)


def test_2_6_a_new_endpoint_starts_slowly() -> None:
    us = backends("us1", "us2")
    start = Resilience(slow_start=SlowStart(seconds=3, percent=10))

    async def story(rig: Rig, port: int) -> None:
        clock = asyncio.get_running_loop().time
        alone = service(port, locality("us", 1_000_000, us[0].host()), resilience=start)
        await rig.put(alone)
        grown = clock() + 3.2
        while clock() < grown:
            await burst(port, 500)
        await rig.put(replaced(alone, localities=(locality("us", 1_000_000, us[0].host(), us[1].host()),)))
        first = (await rig.shares(port, 500))["us2"]
        assert first < 35
        async with asyncio.timeout(20):
            while abs((await rig.shares(port, 500))["us2"] - 50) > POINTS:
                pass

    on_envoy(us, story)


def refusing() -> Backend:
    """A host where nobody listens."""
    return Backend("dead", free_port())


def test_2_6_a_retry_leaves_the_region() -> None:
    """The second attempt already goes to the member that stands by, with two more hosts at home."""
    (eu,) = backends("eu")
    dead = (refusing(), refusing(), refusing())

    async def story(rig: Rig, port: int) -> None:
        home = locality("us", 1_000_000, *(one.host() for one in dead))
        await rig.put(service(port, home, locality("eu", 0, eu.host(), standby=1)))
        status, _, body = await ask(port)
        assert (status, body) == (200, "eu")
        assert (await rig.stats(r"upstream_rq_retry$"))["cluster.out/shop/web/http/local.upstream_rq_retry"] == 1

    on_envoy((eu,), story)


@pytest.mark.parametrize("share", [500_000, 900_000, 940_000])
def test_2_6_a_retry_finds_the_other_member_with_a_share(share: int) -> None:
    (eu,) = backends("eu")

    async def story(rig: Rig, port: int) -> None:
        home = locality("us", share, refusing().host())
        await rig.put(service(port, home, locality("eu", 1_000_000 - share, eu.host())))
        assert [(await ask(port))[0] for _ in range(40)] == [200] * 40

    on_envoy((eu,), story)


def test_2_6_an_own_endpoint_is_judged_by_its_answers_and_a_gateway_never() -> None:
    (good,) = backends("us1")
    (bad,) = backends("us2", status=500)
    (eu,) = backends("eu", status=500)
    policy = Resilience(outlier=Outlier(errors=5, base=60_000, percent=100))

    async def story(rig: Rig, port: int) -> None:
        home = locality("us", 500_000, good.host(), bad.host())
        await rig.put(service(port, home, locality("eu", 500_000, eu.host()), resilience=policy))
        await burst(port, 200)
        found = await rig.shares(port, MANY)
        assert near(found, us1=50, us2=0, eu=50)

    on_envoy((good, bad, marked(eu)), story)


def marked(backend: Backend) -> Backend:
    """The same behind another member's gateway, which marks what it passes on."""
    return Backend(backend.name, backend.port, backend.status, marked=True)


def test_2_8_an_address_stands_once_with_the_sum_of_its_weights() -> None:
    """Envoy would take the first of them alone: 2 of 7 instead of half (measured)."""
    us, eu = backends("us", "eu")

    async def story(rig: Rig, port: int) -> None:
        zones = [Locality("eu", "eu", weight, (eu.host(),), zone=zone) for zone, weight in (("a", 2), ("b", 3))]
        await rig.put(service(port, locality("us", 5, us.host()), *zones))
        assert near(await rig.shares(port, MANY), us=50, eu=50)

    on_envoy((us, eu), story)
