"""What policies do to requests, on the real Envoy: times, retries, limits, affinity, mirrors, fallback; and what a change
of policy does not do: end a connection.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

import pytest
from msgspec import structs

from federation.model.policy import Affinity
from federation.model.resilience import Breakers, Resilience, Retries, Timeouts
from gateways.services import route_of
from gateways.state import Cluster, Host, Mirror, NodeState, Route, Streams
from gateways.xds.messages import EDS, RDS
from tests.e2e.envoy_rig import (
    Backend,
    Rig,
    altered,
    answer_of,
    ask,
    backends,
    envoy,
    locality,
    replaced,
    service,
)
from tests.worlds.ports import free_port

CLUSTER = "cluster.out/shop/web/http/local"
Story = Callable[[Rig, int], Awaitable[None]]


def on_envoy(served: tuple[Backend, ...], story: Story) -> None:
    async def run() -> None:
        async with envoy(served) as rig:
            await story(rig, free_port())

    asyncio.run(run())


@contextmanager
def silent() -> Iterator[Host]:
    """A host that takes connections and never answers: the kernel does, for a socket that nobody reads."""
    with socket.create_server(("127.0.0.1", 0)) as one:
        yield Backend("silent", one.getsockname()[1]).host()


async def retried(rig: Rig) -> int:
    return (await rig.stats("upstream_rq_retry$"))[f"{CLUSTER}.upstream_rq_retry"]


def test_a_request_ends_after_its_time() -> None:
    async def story(rig: Rig, port: int) -> None:
        with silent() as host:
            times = Resilience(timeouts=Timeouts(request=200))
            await rig.put(service(port, locality("us", 1_000_000, host), resilience=times))
            assert (await ask(port))[0] == 504
            assert await retried(rig) == 0

    on_envoy((), story)


def test_a_stream_without_a_byte_ends_after_its_time() -> None:
    async def story(rig: Rig, port: int) -> None:
        with silent() as host:
            times = Resilience(timeouts=Timeouts(idle=200))
            await rig.put(service(port, locality("us", 1_000_000, host), resilience=times))
            assert (await ask(port))[0] == 504

    on_envoy((), story)


def test_each_attempt_has_a_time_of_its_own_and_goes_elsewhere() -> None:
    (eu,) = backends("eu")

    async def story(rig: Rig, port: int) -> None:
        with silent() as host:
            retries = Resilience(retries=Retries(on=("reset",), per_try=150, attempts=1))
            home, abroad = locality("us", 1_000_000, host), locality("eu", 0, eu.host(), standby=1)
            await rig.put(service(port, home, abroad, resilience=retries))
            assert (await ask(port))[2] == "eu"
            assert await retried(rig) == 1

    on_envoy((eu,), story)


@pytest.mark.parametrize(("words", "status"), [((), 503), (("5xx",), 200)])
def test_answers_are_asked_again_when_the_policy_says_so(words: tuple[str, ...], status: int) -> None:
    (us,), (eu,) = backends("us", status=503), backends("eu")

    async def story(rig: Rig, port: int) -> None:
        home, abroad = locality("us", 1_000_000, us.host()), locality("eu", 0, eu.host(), standby=1)
        await rig.put(service(port, home, abroad, resilience=Resilience(retries=Retries(on=words))))
        assert (await ask(port))[0] == status

    on_envoy((us, eu), story)


def test_a_gateway_does_not_ask_again_what_the_caller_will() -> None:
    """The caller's attempts and the gateway's would multiply: only what no pod ever saw is sent again here."""
    us = (*backends("us1", "us2", status=503), *backends("us3"))

    async def story(rig: Rig, port: int) -> None:
        retries = Resilience(retries=Retries(on=("5xx",), attempts=5))
        state = service(port, locality("us", 1_000_000, us[0].host(), us[1].host()), resilience=retries)
        await rig.put(altered(state, routes=(route_of(state.clusters[0], gateway="us"),)))
        assert (await ask(port))[0] == 503
        assert sum((await rig.counted()).values()) == 1

    on_envoy(us, story)


def test_retries_are_held_to_their_budget() -> None:
    """40 requests at once meet silence; at most 20 % of what is under way may be asked again at a time, but one may."""

    async def story(rig: Rig, port: int) -> None:
        with silent() as host:
            retries = Retries(on=("reset",), per_try=200, attempts=1, budget=20, least=1)
            state = service(port, locality("us", 1_000_000, host), resilience=Resilience(retries=retries))
            await rig.put(state)
            answers = await asyncio.gather(*(ask(port) for _ in range(40)))
            assert {status for status, _, _ in answers} <= {503, 504}
            found = await rig.stats("upstream_rq_retry(_overflow)?$")
            retried, held = found[f"{CLUSTER}.upstream_rq_retry"], found[f"{CLUSTER}.upstream_rq_retry_overflow"]
            assert (retried + held, 1 <= retried <= 20) == (40, True)

    on_envoy((), story)


def test_a_full_service_is_refused_at_once() -> None:
    async def story(rig: Rig, port: int) -> None:
        with silent() as host:
            limits = Resilience(breakers=Breakers(connections=1, pending=1, requests=1))
            await rig.put(service(port, locality("us", 1_000_000, host), resilience=limits))
            first = asyncio.create_task(ask(port))
            async with asyncio.timeout(10):
                while not await under_way(rig, "upstream_rq_active"):
                    pass
            second = asyncio.create_task(ask(port))
            async with asyncio.timeout(10):
                while not await under_way(rig, "upstream_rq_pending_active"):
                    pass
            status, _, body = await ask(port)
            assert (status, body.endswith("reset reason: overflow")) == (503, True)
            for task in (first, second):
                task.cancel()
            await asyncio.gather(first, second, return_exceptions=True)

    on_envoy((), story)


async def under_way(rig: Rig, name: str) -> bool:
    return (await rig.stats(f"{name}$"))[f"{CLUSTER}.{name}"] == 1


def affine(by: Affinity, port: int, *served: Backend) -> NodeState:
    share = 1_000_000 // len(served)
    return service(port, *(locality(one.name, share, one.host()) for one in served), affinity=by)


@pytest.mark.parametrize("parts", [(700_000, 300_000), (990_000, 10_000), (350_000, 650_000)])
def test_affinity_holds_shares(parts: tuple[int, int]) -> None:
    """Within 3 points over 4,000 clients, each told by a header."""
    us, eu = backends("us", "eu")

    async def story(rig: Rig, port: int) -> None:
        by = Affinity(by="header", name="x-user")
        here, there = (locality(b.name, p, b.host()) for b, p in zip((us, eu), parts, strict=True))
        await rig.put(service(port, here, there, affinity=by))
        await as_many_users(port, 4_000)
        found = await rig.counted()
        assert abs(found["us"] / 40 - parts[0] / 10_000) < 3

    on_envoy((us, eu), story)


async def as_many_users(port: int, count: int) -> None:
    for user in range(0, count, 100):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        lines = (f"GET / HTTP/1.1\r\nHost: web\r\nx-user: {user + i}\r\n\r\n" for i in range(100))
        writer.write("".join(lines).encode())
        for _ in range(100):
            assert (await answer_of(reader))[0] == 200
        writer.close()
        await writer.wait_closed()


def test_affinity_by_source_header_and_cookie() -> None:
    served = backends("a", "b", "c", "d")

    async def story(rig: Rig, port: int) -> None:
        await rig.put(affine(Affinity(), port, *served))
        by_source = [{(await ask(port, source=f"127.0.0.{i}"))[2] for _ in range(5)} for i in range(2, 18)]
        assert {len(one) for one in by_source} == {1} and len(set.union(*by_source)) > 1
        await rig.put(affine(Affinity(by="header", name="x-user"), port, *served))
        by_header = [{(await ask(port, f"x-user: {i}"))[2] for _ in range(5)} for i in range(16)]
        assert {len(one) for one in by_header} == {1} and len(set.union(*by_header)) > 1
        await rig.put(affine(Affinity(by="cookie", name="seat", seconds=60), port, *served))
        _, headers, first = await ask(port)
        cookie = headers["set-cookie"]
        assert cookie.startswith('seat="') and "max-age=60" in cookie and "httponly" in cookie
        again = {(await ask(port, f"Cookie: {cookie.split(';')[0]}"))[2] for _ in range(5)}
        assert again == {first}

    on_envoy(served, story)


def test_affinity_for_tcp_by_source() -> None:
    served = backends("a", "b", "c", "d")

    async def story(rig: Rig, port: int) -> None:
        state = affine(Affinity(), port, *served)
        cluster = structs.replace(state.clusters[0], http=False)
        listener = structs.replace(state.listeners[0], http=False, streams=Streams(affinity=Affinity()))
        await rig.put(altered(state, clusters=(cluster,), routes=(), listeners=(listener,)))
        found = [{(await ask(port, source=f"127.0.0.{i}"))[2] for _ in range(5)} for i in range(2, 18)]
        assert {len(one) for one in found} == {1} and len(set.union(*found)) > 1

    on_envoy(served, story)


def test_a_part_of_the_requests_is_mirrored() -> None:
    us, eu = backends("us", "eu")

    async def story(rig: Rig, port: int) -> None:
        state = service(port, locality("us", 1_000_000, us.host()))
        cluster = state.clusters[0]
        copy = Cluster(name=f"{cluster.name}/mirror", local="us", localities=(locality("eu", 1, eu.host()),), http=True)
        route = route_of(cluster, mirror=Mirror(copy.name, 250_000))
        await rig.put(altered(state, clusters=(cluster, copy), routes=(route,)))
        found = await rig.shares(port, 2_000)
        assert found["us"] == 100
        assert abs(found["eu"] - 25) < 5

    on_envoy((us, eu), story)


def test_a_fallback_and_its_end_drain_no_connection() -> None:
    """The route goes to another service's cluster and back; one connection lives through it, and through a policy."""
    us, other = backends("us", "other")

    async def story(rig: Rig, port: int) -> None:
        state = service(port, locality("us", 1_000_000, us.host()))
        cluster = state.clusters[0]
        second = structs.replace(
            cluster, name="out/shop/spare/http/local", localities=(locality("us", 1, other.host()),)
        )
        state = altered(state, clusters=(cluster, second))
        fallen = altered(state, routes=(route_of(cluster, fallback=second.name),))
        timed = structs.replace(cluster, resilience=Resilience(timeouts=Timeouts(request=5_000, idle=9_000)))
        policy = altered(state, clusters=(timed, second), routes=(route_of(timed),))
        await rig.put(state)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for told, expected in ((state, b"us"), (fallen, b"other"), (state, b"us"), (policy, b"us")):
            await rig.put(told)
            writer.write(b"GET / HTTP/1.1\r\nHost: web\r\n\r\n")
            assert (await answer_of(reader))[2] == expected
        writer.close()
        found = await rig.stats("listener_manager.*(listener_modified|total_filter_chains_draining)$")
        assert set(found.values()) == {0}

    on_envoy((us, other), story)


def test_a_client_does_not_steer_its_own_retries() -> None:
    """x-envoy-* headers of clients count for nothing: a member must not have another's gateway multiply its requests."""
    us = backends("us1", "us2", status=503)

    async def story(rig: Rig, port: int) -> None:
        await rig.put(service(port, locality("us", 1_000_000, *(one.host() for one in us))))
        status, _, _ = await ask(port, "x-envoy-retry-on: 5xx", "x-envoy-max-retries: 9")
        assert status == 503
        assert sum((await rig.counted()).values()) == 1

    on_envoy(us, story)


def test_connections_to_hosts_are_made_anew_after_their_age() -> None:
    """One connection of a client outlives several of Envoy's to the host, and no request fails."""
    (us,) = backends("us")

    async def story(rig: Rig, port: int) -> None:
        await rig.put(service(port, locality("us", 1_000_000, us.host()), resilience=Resilience(connection_seconds=1)))
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        name = f"{CLUSTER}.upstream_cx_max_duration_reached"
        async with asyncio.timeout(20):
            while (await rig.stats("upstream_cx_max_duration_reached$"))[name] < 2:
                writer.write(b"GET / HTTP/1.1\r\nHost: web\r\n\r\n")
                assert (await answer_of(reader))[0] == 200
        writer.close()

    on_envoy((us,), story)


def test_one_bad_route_is_set_aside_and_everything_else_goes_on() -> None:
    """A header without a name is no header: Envoy says so of the route alone, which keeps its last good form."""
    us, eu = backends("us", "eu")

    async def story(rig: Rig, port: int) -> None:
        state = service(port, locality("us", 1_000_000, us.host()))
        await rig.put(state)
        good = replaced(state, localities=(locality("eu", 1_000_000, eu.host()),))
        cluster = good.clusters[0]
        bad = Route(name=cluster.name, cluster=cluster.name, affinity=Affinity(by="header"))
        rig.offer(altered(good, routes=(bad,)))
        await rig.until(lambda: rig.server.refused() and rig.server.holds(EDS))
        (refused,) = rig.server.refused()
        assert (refused.type_url, refused.name) == (RDS, cluster.name)
        assert "header_name" in refused.text.lower() or "HeaderName" in refused.text
        assert not rig.server.settled()
        assert (await ask(port))[2] == "eu"
        rig.offer(altered(good, routes=(Route(name=cluster.name, cluster=cluster.name),)))
        await rig.until(rig.server.settled)
        assert rig.server.refused() == ()

    on_envoy((us, eu), story)
