"""What a cluster does for its hosts: who is left out, how much may be under way, how connections age."""

from federation.model.policy import Affinity
from federation.model.resilience import Breakers, Outlier, Resilience
from gateways.render.envoy.common import Json, extension, shared, span
from gateways.render.envoy.routes import BY_GATEWAY

CONNECT_MS = 1_000
CONNECTION_SECONDS = 3_600
"""After this a connection between proxies is drained, so that nobody lives longer than that on an old certificate."""

BREAKERS = Breakers(connections=10_000, pending=10_000, requests=100_000)
BUDGET_PERCENT, BUDGET_LEAST = 20, 10
UNSEEN_PERCENT, UNSEEN_LEAST = 100, 1_000
"""While only what never reached a server is sent again: that loads none, and when a gateway is ejected everything that
waited for a connection to it is sent again at once (measured: of 24 requests 14 failed with the smaller budget).
"""
SMALLEST_MS = 1_000

POLICIES_KEPT = 64
"""Few services have a resilience that no other has."""

HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"


def balancing(affinity: Affinity | None, resilience: Resilience) -> Json:
    """How one of the hosts is chosen. A table (Maglev) for affinity: its 65,537 entries hold shares to 0.01 %, where a
    ring of hashes is off by points. A slow start is for turns only.
    """
    if affinity is not None:
        return {"lb_policy": "MAGLEV"}
    made: Json = {"lb_policy": "ROUND_ROBIN"}
    slow = resilience.slow_start
    if slow is not None and slow.seconds:
        start = {"slow_start_window": f"{slow.seconds}s", "min_weight_percent": {"value": slow.percent}}
        made["round_robin_lb_config"] = {"slow_start_config": start}
    return made


@shared(POLICIES_KEPT)
def breakers(resilience: Resilience) -> Json:
    """How much one proxy may have under way to the cluster (research/xds-trust.md 2.6)."""
    asked, retries = resilience.breakers, resilience.retries
    percent, least = (BUDGET_PERCENT, BUDGET_LEAST) if retries.on else (UNSEEN_PERCENT, UNSEEN_LEAST)
    budget = {
        "budget_percent": {"value": retries.budget or percent},
        "min_retry_concurrency": retries.least or least,
    }
    threshold = {
        "max_connections": asked.connections or BREAKERS.connections,
        "max_pending_requests": asked.pending or BREAKERS.pending,
        "max_requests": asked.requests or BREAKERS.requests,
        "retry_budget": budget,
    }
    return {"thresholds": [threshold]}


@shared(POLICIES_KEPT)
def outlier(resilience: Resilience) -> Json:
    """Who is left out. Failures to reach a host eject it, shortly. Errors (5xx) do when the policy says so, and then
    only of own endpoints: what a gateway passes on is not its own (`errors_of_own`), for it stands for many pods.
    """
    asked = resilience.outlier
    errors = asked.errors if asked is not None else 0
    return {
        "split_external_local_origin_errors": True,
        "consecutive_local_origin_failure": 3,
        "enforcing_consecutive_local_origin_failure": 100,
        "enforcing_local_origin_success_rate": 0,
        "enforcing_consecutive_gateway_failure": 0,
        "enforcing_success_rate": 0,
        "interval": "1s",
        **({"consecutive_5xx": errors} if errors else {}),
        "enforcing_consecutive_5xx": 100 if errors else 0,
        **_times(asked if errors else None),
    }


NOT_ALL = 99
"""Per cent of a cluster's hosts that may be ejected where no policy speaks of errors: never the last, for Envoy counts
in the one that it would eject. With nobody left requests would fail at once, also when the host is back.
"""


def _times(asked: Outlier | None) -> Json:
    if asked is None:
        return {"base_ejection_time": "1s", "max_ejection_time": "5s", "max_ejection_percent": NOT_ALL}
    base = asked.base or SMALLEST_MS
    return {
        "base_ejection_time": span(base),
        "max_ejection_time": span(max(base, asked.most or 5 * base)),
        "max_ejection_percent": asked.percent or 100,
    }


@shared(POLICIES_KEPT)
def http_options(resilience: Resilience) -> Json:
    """How HTTP is spoken to hosts, and which answers count as errors of theirs."""
    age = resilience.connection_seconds or CONNECTION_SECONDS
    made = extension(
        "extensions.upstreams.http.v3.HttpProtocolOptions",
        common_http_protocol_options={"idle_timeout": "300s", "max_connection_duration": f"{age}s"},
        use_downstream_protocol_config={"http_protocol_options": {}, "http2_protocol_options": {}},
    )
    if resilience.outlier is not None and resilience.outlier.errors:
        made["outlier_detection"] = {"error_matcher": errors_of_own()}
    return made


def errors_of_own() -> Json:
    """5xx without a gateway's mark."""
    error = {"name": ":status", "string_match": {"safe_regex": {"regex": "5.."}}}
    passed_on = {"name": BY_GATEWAY, "present_match": True}
    rules = [
        {"http_response_headers_match": {"headers": [error]}},
        {"not_match": {"http_response_headers_match": {"headers": [passed_on]}}},
    ]
    return {"and_match": {"rules": rules}}
