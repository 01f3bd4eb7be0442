"""Clusters: one a port and workload at a node, one a port at a gateway. Endpoints come under the cluster's own name."""

from federation.model.spiffe import gateway_id
from gateways.render.envoy.common import ADS, Json, anchor_secret, secret_from_stream, tls_limits, typed
from gateways.state import Anchor, Cluster

CONNECT_TIMEOUT = "1s"
CONNECTION_LIFE = "3600s"
"""After this a connection between proxies is drained, so that nobody lives longer than that on an old certificate."""


def cluster(item: Cluster, own: Anchor, remotes: tuple[Anchor, ...]) -> Json:
    """The Envoy cluster. Its shares come as locality weights, so Envoy's own zones and panic are off.

    `own` is the own member's anchor, `remotes` those of `item.remotes`.
    """
    made: Json = {
        "name": item.name,
        "type": "EDS",
        "eds_cluster_config": {"service_name": item.name, "eds_config": ADS},
        "connect_timeout": CONNECT_TIMEOUT,
        "lb_policy": "ROUND_ROBIN",
        "common_lb_config": {
            "healthy_panic_threshold": {"value": 0},
            "locality_weighted_lb_config": {},
            "close_connections_on_host_set_change": False,
        },
        "circuit_breakers": {
            "thresholds": [
                {
                    "max_connections": 10_000,
                    "max_pending_requests": 10_000,
                    "max_requests": 100_000,
                    "retry_budget": {"budget_percent": {"value": 20}, "min_retry_concurrency": 10},
                }
            ]
        },
        "upstream_connection_options": {
            "tcp_keepalive": {"keepalive_probes": 3, "keepalive_time": 10, "keepalive_interval": 5}
        },
        "outlier_detection": outlier(),
    }
    if item.http:
        made["typed_extension_protocol_options"] = _same_protocol()
    if item.identity is not None:
        made["transport_socket_matches"] = _sockets(item, str(item.identity), remotes)
        made["transport_socket"] = _remote_socket(item, str(item.identity), own)
    return made


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
    options = typed(
        "",
        "extensions.upstreams.http.v3.HttpProtocolOptions",
        common_http_protocol_options={"idle_timeout": "300s", "max_connection_duration": CONNECTION_LIFE},
        use_downstream_protocol_config={"http_protocol_options": {}, "http2_protocol_options": {}},
    )
    return {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": options["typed_config"]}


def _sockets(item: Cluster, identity: str, remotes: tuple[Anchor, ...]) -> list[Json]:
    plain: Json = {
        "name": item.local,
        "match": {"member": item.local},
        "transport_socket": typed(
            "envoy.transport_sockets.raw_buffer", "extensions.transport_sockets.raw_buffer.v3.RawBuffer"
        ),
    }
    remote: list[Json] = [
        {
            "name": anchor.member,
            "match": {"member": anchor.member},
            "transport_socket": _remote_socket(item, identity, anchor),
        }
        for anchor in remotes
    ]
    return [plain, *remote]


def _remote_socket(item: Cluster, identity: str, anchor: Anchor) -> Json:
    """mTLS that trusts one member's anchor and takes its gateway identity only.

    Also the cluster's default, with the own anchor: a host whose member has no socket here cannot be reached at all,
    instead of in plain text.
    """
    pin = str(gateway_id(anchor.trust_domain))
    context: Json = {
        "tls_params": tls_limits(),
        "tls_certificate_sds_secret_configs": [secret_from_stream(identity)],
        "combined_validation_context": {
            "default_validation_context": {
                "match_typed_subject_alt_names": [{"san_type": "URI", "matcher": {"exact": pin}}]
            },
            "validation_context_sds_secret_config": secret_from_stream(anchor_secret(anchor.member)),
        },
    }
    return typed(
        "envoy.transport_sockets.tls",
        "extensions.transport_sockets.tls.v3.UpstreamTlsContext",
        common_tls_context=context,
        sni=item.sni,
        max_session_keys=0,
    )
