"""Routes: what happens to each HTTP request. They stand apart from listeners, so that no connection is drained when a
policy changes (RDS over the one stream).
"""

from itertools import product

from federation.model.policy import Affinity
from federation.model.resilience import RateLimit, Retries
from gateways.render.envoy.access import on_route
from gateways.render.envoy.common import Json, extension, shared, span, typed
from gateways.state import Route

NEVER_SERVED = ("connect-failure", "refused-stream")
"""What a server never saw (Envoy's retry_on): sent again whatever the policy says."""

POLICIES_KEPT = 64
"""Few services ask for retries that no other asks for."""

ATTEMPTS = 2
BACK_OFF_MS = (25, 250)
CHOICES = 20
"""How often a host that was tried is drawn again before it is taken after all. Turns are spaced by weight, so that
within so many the next member comes up, if it has a share of 5 %.
"""

BY_GATEWAY = "x-isthmus-gateway"
"""Response header from gateway to node: an error that bears it was not the gateway's. No client sees it."""

FORGED = tuple(
    "x" + "".join(f"{sign}{word}" for sign, word in zip(signs, ("forwarded", "client", "cert"), strict=True))
    for signs in product("-_", repeat=3)
    if "_" in signs
)
"""What programs that read headers as variables (CGI, WSGI) take for the caller's identity; Envoy drops only the one
that is written right.
"""

RATE_LIMIT = "envoy.filters.http.local_ratelimit"


def routes(item: Route) -> Json:
    """The route configuration: everything to one cluster."""
    times = item.resilience.timeouts
    action: Json = {
        "cluster": item.cluster,
        "timeout": span(times.request),
        "retry_policy": _retry(Retries() if item.gateway else item.resilience.retries),
    }
    if times.idle:
        action["idle_timeout"] = span(times.idle)
    if item.affinity is not None:
        action["hash_policy"] = [_hashed(item.affinity, bool(item.gateway))]
    if item.mirror is not None:
        part = {"default_value": {"numerator": item.mirror.ppm, "denominator": "MILLION"}}
        action["request_mirror_policies"] = [
            {"cluster": item.mirror.cluster, "runtime_fraction": part, "disable_shadow_host_suffix_append": True}
        ]
    host: Json = {"name": "all", "domains": ["*"], "routes": [{"match": {"prefix": "/"}, "route": action}]}
    limit = item.resilience.rate_limit
    if item.gateway:
        limited = {} if limit is None else {RATE_LIMIT: rate_limit(limit)}
        host["typed_per_filter_config"] = {**on_route(item.access), **limited}
    return {
        "name": item.name,
        "validate_clusters": False,
        "virtual_hosts": [host],
        "request_headers_to_remove": FORGED,
        **_gateway_header(item),
    }


def rate_limit(limit: RateLimit | None) -> Json:
    """A token bucket of this Envoy's own; without one nothing is limited. More is 429, with x-ratelimit headers
    (draft-polli-ratelimit-headers-03).
    """
    kind = "extensions.filters.http.local_ratelimit.v3.LocalRateLimit"
    if limit is None:
        return extension(kind, stat_prefix="rate_limit")
    always = {"default_value": {"numerator": 100, "denominator": "HUNDRED"}}
    return extension(
        kind,
        stat_prefix="rate_limit",
        token_bucket={
            "max_tokens": limit.burst or limit.rps,
            "tokens_per_fill": limit.rps,
            "fill_interval": "1s",
        },
        filter_enabled=always,
        filter_enforced=always,
        enable_x_ratelimit_headers="DRAFT_VERSION_03",
    )


def _gateway_header(item: Route) -> Json:
    if not item.gateway:
        return {"response_headers_to_remove": [BY_GATEWAY]}
    header = {"key": BY_GATEWAY, "value": item.gateway}
    return {"response_headers_to_add": [{"header": header, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}]}


@shared(POLICIES_KEPT)
def _retry(retries: Retries) -> Json:
    """Each attempt goes to another host, and from the second on to members that were not tried, those that stand by
    among them (xds-trust 2.6).
    """
    base = retries.base or BACK_OFF_MS[0]
    most = max(base, retries.most or (base * 10 if retries.base else BACK_OFF_MS[1]))
    made: Json = {
        "retry_on": ",".join(dict.fromkeys((*NEVER_SERVED, *retries.on))),
        "num_retries": retries.attempts or ATTEMPTS,
        "retry_host_predicate": [
            typed(
                "envoy.retry_host_predicates.previous_hosts",
                "extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate",
            )
        ],
        "host_selection_retry_max_attempts": CHOICES,
        "retry_priority": typed(
            "envoy.retry_priorities.previous_priorities",
            "extensions.retry.priority.previous_priorities.v3.PreviousPrioritiesConfig",
            update_frequency=1,
        ),
        "retry_back_off": {"base_interval": span(base), "max_interval": span(most)},
    }
    if retries.per_try:
        made["per_try_timeout"] = span(retries.per_try)
    return made


def _hashed(affinity: Affinity, behind: bool) -> Json:
    """`behind` a gateway the cookie is the node's: it sets it, and the gateway only reads it."""
    if affinity.by == "source":
        return {"connection_properties": {"source_ip": True}}
    if affinity.by == "header":
        return {"header": {"header_name": affinity.name}}
    cookie: Json = {"name": affinity.name}
    return {"cookie": cookie if behind else {**cookie, "path": "/", "ttl": span(affinity.seconds * 1_000)}}
