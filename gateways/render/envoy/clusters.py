"""Clusters: one a port and workload at a node, one a port at a gateway. Endpoints come under the cluster's own name."""

from federation.model.spiffe import gateway_id, trust_domain
from gateways.render.envoy.common import (
    ADS,
    MEMBERS_KEPT,
    Json,
    anchor_secret,
    secret_from_stream,
    shared,
    tls_limits,
    typed,
)
from gateways.state import Cluster

CONNECT_TIMEOUT = "1s"
CONNECTION_LIFE = "3600s"
"""After this a connection between proxies is drained, so that nobody lives longer than that on an old certificate."""

CONTEXTS_KEPT = 4_096
"""One for each identity and member: 40 workloads on a node of a federation of 100."""


def cluster(item: Cluster, domain: str) -> Json:
    """The Envoy cluster, without its endpoints. Its shares come as locality weights, so Envoy's own zones and panic
    are off. `domain` is the federation's.
    """
    made: Json = {
        "name": item.name,
        "type": "EDS",
        "eds_cluster_config": {"service_name": item.name, "eds_config": ADS},
        "connect_timeout": CONNECT_TIMEOUT,
        "lb_policy": "ROUND_ROBIN",
        "common_lb_config": _balancing(),
        "circuit_breakers": _breakers(),
        "upstream_connection_options": _keepalive(),
        "outlier_detection": outlier(),
    }
    if item.http:
        made["typed_extension_protocol_options"] = _same_protocol()
    if item.identity is not None:
        made["transport_socket_matches"] = _sockets(item, str(item.identity), domain)
        made["transport_socket"] = _remote_socket(item, str(item.identity), item.local, domain)
    return made


@shared()
def _balancing() -> Json:
    return {
        "healthy_panic_threshold": {"value": 0},
        "locality_weighted_lb_config": {},
        "close_connections_on_host_set_change": False,
    }


@shared()
def _breakers() -> Json:
    return {
        "thresholds": [
            {
                "max_connections": 10_000,
                "max_pending_requests": 10_000,
                "max_requests": 100_000,
                "retry_budget": {"budget_percent": {"value": 20}, "min_retry_concurrency": 10},
            }
        ]
    }


@shared()
def _keepalive() -> Json:
    return {"tcp_keepalive": {"keepalive_probes": 3, "keepalive_time": 10, "keepalive_interval": 5}}


@shared()
def outlier() -> Json:
    """Only failures to reach a host eject it, shortly: an answer with 5xx is the application's and says nothing
    about the path, and one gateway stands for many pods."""
    return {
        "split_external_local_origin_errors": True,
        "consecutive_local_origin_failure": 3,
        "enforcing_consecutive_local_origin_failure": 100,
        "enforcing_local_origin_success_rate": 0,
        "enforcing_consecutive_5xx": 0,
        "enforcing_consecutive_gateway_failure": 0,
        "enforcing_success_rate": 0,
        "interval": "1s",
        "base_ejection_time": "1s",
        "max_ejection_time": "5s",
        "max_ejection_percent": 100,
    }


def _same_protocol() -> Json:
    return {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": _protocol_options()}


@shared()
def _protocol_options() -> Json:
    options = typed(
        "",
        "extensions.upstreams.http.v3.HttpProtocolOptions",
        common_http_protocol_options={"idle_timeout": "300s", "max_connection_duration": CONNECTION_LIFE},
        use_downstream_protocol_config={"http_protocol_options": {}, "http2_protocol_options": {}},
    )
    made: Json = options["typed_config"]  # type: ignore[assignment]
    return made


def _sockets(item: Cluster, identity: str, domain: str) -> list[Json]:
    remote: list[Json] = [
        {
            "name": member,
            "match": _match(member),
            "transport_socket": _remote_socket(item, identity, member, domain),
        }
        for member in item.remotes
    ]
    return [_plain(item.local), *remote]


@shared(MEMBERS_KEPT)
def _match(member: str) -> Json:
    return {"member": member}


@shared()
def _plain(member: str) -> Json:
    return {
        "name": member,
        "match": {"member": member},
        "transport_socket": typed(
            "envoy.transport_sockets.raw_buffer", "extensions.transport_sockets.raw_buffer.v3.RawBuffer"
        ),
    }


def _remote_socket(item: Cluster, identity: str, member: str, domain: str) -> Json:
    """mTLS that trusts one member's anchor and takes its gateway identity only.

    Also the cluster's default, with the own anchor: a host whose member has no socket here cannot be reached at all,
    instead of in plain text.
    """
    return typed(
        "envoy.transport_sockets.tls",
        "extensions.transport_sockets.tls.v3.UpstreamTlsContext",
        common_tls_context=_context(identity, member, domain),
        sni=item.sni,
        max_session_keys=0,
    )


@shared(CONTEXTS_KEPT)
def _context(identity: str, member: str, domain: str) -> Json:
    """The same for all services: a node has one for each of its identities and each member."""
    pin = str(gateway_id(trust_domain(member, domain)))
    return {
        "tls_params": tls_limits(),
        "tls_certificate_sds_secret_configs": [secret_from_stream(identity)],
        "combined_validation_context": {
            "default_validation_context": {
                "match_typed_subject_alt_names": [{"san_type": "URI", "matcher": {"exact": pin}}]
            },
            "validation_context_sds_secret_config": secret_from_stream(anchor_secret(member)),
        },
    }
