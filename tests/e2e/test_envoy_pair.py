"""A request from a workload of one member to a pod of another, through both real Envoys: what it is told, what is told
of it, and what the exporter's policy holds it to.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from federation.model.policy import Affinity, Policy
from federation.model.resilience import Outlier, RateLimit, Resilience, Retries, Timeouts
from gateways.render.envoy.routes import BY_GATEWAY
from gateways.state import Telemetry
from tests.e2e.envoy_pair import CALLER, SOURCES, Collector, Pair, pair
from tests.e2e.envoy_rig import ask, burst

TRACE = "0af7651916cd43dd8448eb211c80319c"


def through(story: Callable[[Pair], Awaitable[None]], **how: Any) -> None:
    async def run() -> None:
        async with pair(**how) as both:
            await story(both)

    asyncio.run(run())


def test_a_request_goes_through_and_the_gateways_mark_stays_inside() -> None:
    async def story(both: Pair) -> None:
        await both.put()
        status, headers, body = await ask(both.port)
        assert (status, body) == (200, "pod")
        assert BY_GATEWAY not in headers and not [name for name in headers if name.startswith("x-envoy")]

    through(story)


def test_the_exporter_lets_in_so_many_a_second() -> None:
    async def story(both: Pair) -> None:
        await both.put(exporters=Policy(resilience=Resilience(rate_limit=RateLimit(rps=1, burst=20))))
        answers = [await ask(both.port) for _ in range(30)]
        passed = sum(status == 200 for status, _, _ in answers)
        assert 20 <= passed < 30
        assert {status for status, _, _ in answers} == {200, 429}
        headers = answers[-1][1]
        assert (headers["x-ratelimit-limit"], headers["x-ratelimit-remaining"]) == ("20", "0")
        assert "x-ratelimit-reset" in headers

    through(story)


def test_a_gateway_is_not_judged_by_its_pods_answers() -> None:
    async def story(both: Pair) -> None:
        policy = Policy(resilience=Resilience(outlier=Outlier(errors=3, base=60_000)))
        await both.put(policy=policy)
        assert await burst(both.port, 100) == {500: 100}
        found = await both.node.stats("outlier_detection.ejections_active$")
        assert set(found.values()) == {0}

    through(story, status=500)


def test_nor_by_having_no_pod_that_is_well() -> None:
    """The exporter ejects its only pod; its gateway's own 503 bears the mark as well."""

    async def story(both: Pair) -> None:
        policy = Policy(resilience=Resilience(outlier=Outlier(errors=3, base=60_000)))
        await both.put(policy=policy, exporters=policy)
        statuses = [(await ask(both.port))[0] for _ in range(20)]
        assert statuses == [500] * 3 + [503] * 17
        found = await both.node.stats("outlier_detection.ejections_active$")
        assert set(found.values()) == {0}

    through(story, status=500)


def test_source_affinity_sees_the_client_through_the_gateway() -> None:
    """The gateway's hash is of the client's address, which the node says in x-forwarded-for, not of the node's."""

    async def story(both: Pair) -> None:
        await both.put(exporters=Policy(affinity=Affinity()))
        found = [{(await ask(both.port, source=source))[2] for _ in range(4)} for source in SOURCES]
        assert {len(one) for one in found} == {1}
        assert len(set.union(*found)) > 1

    through(story, pods=4)


def test_spans_of_both_proxies_are_of_one_trace() -> None:
    async def story(both: Pair) -> None:
        async with Collector() as collector:
            await both.put(telemetry=Telemetry(otlp=f"127.0.0.1:{collector.port}", trace_percent=100))
            assert (await ask(both.port))[0] == 200
            spans = await collector.of_both()
            node = [span for span in spans if span.of == "isthmus-node"]
            gateway = [span for span in spans if span.of == "isthmus-gateway"]
            assert len({span.trace for span in spans}) == 1
            assert {span.tags["isthmus.member"] for span in gateway} == {"eu-central"}
            assert {span.tags["isthmus.service"] for span in spans} == {"shop/web"}
            assert "eu-central" in {span.tags.get("isthmus.to") for span in node}
            assert {span.parent for span in gateway} & {span.span for span in node}

    through(story)


def test_a_callers_own_trace_goes_on() -> None:
    async def story(both: Pair) -> None:
        async with Collector() as collector:
            await both.put(telemetry=Telemetry(otlp=f"127.0.0.1:{collector.port}", trace_percent=0))
            assert (await ask(both.port))[0] == 200
            await ask(both.port, f"traceparent: 00-{TRACE}-b7ad6b7169203331-01")
            assert {span.trace for span in await collector.of_both()} == {TRACE}

    through(story)


def test_spans_tell_paths_without_their_queries() -> None:
    async def story(both: Pair) -> None:
        async with Collector() as collector:
            await both.put(telemetry=Telemetry(otlp=f"127.0.0.1:{collector.port}", trace_percent=100))
            await ask(both.port, "x-envoy-original-path: /c?token=hidden", path="/a/b?token=hidden")
            spans = await collector.of_both()
            assert "hidden" not in repr(spans)
            assert {span.tags["http.url"].rpartition("://")[2] for span in spans if "http.url" in span.tags} == {
                "web/a/b"
            }

    through(story)


async def lines(rig: Any, log: Path, count: int) -> list[dict[str, Any]]:
    """What the log holds once there are so many lines; Envoy writes it out when asked to."""
    async with asyncio.timeout(20):
        while not log.exists() or log.read_text().count("\n") < count:
            await rig.admin("/reopen_logs", "POST")
    return [json.loads(line) for line in log.read_text().splitlines()]


def test_access_logs_say_who_called_what_and_why_it_went_there(tmp_path: Path) -> None:
    async def story(both: Pair) -> None:
        log = tmp_path / "log"
        await both.put(telemetry=Telemetry(access_log=str(log)))
        await ask(both.port, f"traceparent: 00-{TRACE}-b7ad6b7169203331-01", path="/a/b?token=hidden")
        await both.gateway.admin("/reopen_logs", "POST")
        found = {line["role"]: line for line in await lines(both.node, log, 2)}
        node, gateway = found["node"], found["gateway"]
        assert "hidden" not in log.read_text()
        same = {"service": "shop/web", "source": CALLER, "method": "GET", "path": "/a/b", "status": 200}
        assert {key: node[key] for key in same} == same == {key: gateway[key] for key in same}
        assert (node["member"], node["to"], node["reason"], node["flags"]) == ("us-east", "eu-central", "cost", "-")
        assert (gateway["member"], gateway["to"], gateway["zone"]) == ("eu-central", "eu-central", "a")
        assert node["bytes_out"] == 3 and node["duration_ms"] >= 0 and node["request"] == gateway["request"]
        assert node["time"].endswith("Z") and node["attempts"] == 1

    through(story)


def test_access_logs_of_tcp(tmp_path: Path) -> None:
    async def story(both: Pair) -> None:
        log = tmp_path / "log"
        await both.put(telemetry=Telemetry(access_log=str(log)))
        assert (await ask(both.port))[0] == 200
        await both.gateway.admin("/reopen_logs", "POST")
        found = {line["role"]: line for line in await lines(both.node, log, 2)}
        assert (found["node"]["service"], found["node"]["to"], found["node"]["source"]) == (
            "shop/web",
            "eu-central",
            CALLER,
        )
        assert found["gateway"]["source"] == CALLER and "path" not in found["gateway"]

    through(story, app_protocol="")


@pytest.mark.parametrize(
    ("resilience", "seconds"), [(Resilience(timeouts=Timeouts(idle=300)), 10), (Resilience(connection_seconds=1), 10)]
)
def test_tcp_connections_end_by_idleness_and_by_age(resilience: Resilience, seconds: int) -> None:
    async def story(both: Pair) -> None:
        await both.put(policy=Policy(resilience=resilience))
        reader, writer = await asyncio.open_connection("127.0.0.1", both.port)
        async with asyncio.timeout(seconds):
            assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()

    through(story, app_protocol="")


def test_what_a_gateway_refuses_to_send_again_the_caller_does() -> None:
    """5xx by the policy's word: three attempts by the caller, each one request to the pod."""

    async def story(both: Pair) -> None:
        retries = Policy(resilience=Resilience(retries=Retries(on=("5xx",), attempts=2, base=1)))
        await both.put(policy=retries, exporters=retries)
        assert (await ask(both.port))[0] == 503
        assert await both.gateway.counted() == {"pod": 3}

    through(story, status=503)
