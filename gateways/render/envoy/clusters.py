"""Clusters: one a port and workload at a node, one a port at a gateway. Endpoints come under the cluster's own name."""

from federation.model.spiffe import gateway_id
from gateways.render.envoy.common import ADS, Json, anchor_secret, secret_from_stream, span, tls_limits, typed
from gateways.render.envoy.resilience import CONNECT_MS, balancing, breakers, http_options, outlier
from gateways.state import Anchor, Cluster


def cluster(item: Cluster, own: Anchor, remotes: tuple[Anchor, ...]) -> Json:
    """The Envoy cluster. Its shares come as locality weights, so Envoy's own zones and panic are off.

    `own` is the own member's anchor, `remotes` those of `item.remotes`.
    """
    made: Json = {
        "name": item.name,
        "type": "EDS",
        "eds_cluster_config": {"service_name": item.name, "eds_config": ADS},
        "connect_timeout": span(item.resilience.timeouts.connect or CONNECT_MS),
        **balancing(item.affinity, item.resilience),
        "common_lb_config": {
            "healthy_panic_threshold": {"value": 0},
            "locality_weighted_lb_config": {},
            "close_connections_on_host_set_change": False,
        },
        "circuit_breakers": breakers(item.resilience),
        "upstream_connection_options": {
            "tcp_keepalive": {"keepalive_probes": 3, "keepalive_time": 10, "keepalive_interval": 5}
        },
        "outlier_detection": outlier(item.resilience),
    }
    if item.http:
        made["typed_extension_protocol_options"] = http_options(item.resilience)
    if item.identity is not None:
        made["transport_socket_matches"] = _sockets(item, str(item.identity), remotes)
        made["transport_socket"] = _remote_socket(item, str(item.identity), own)
    return made


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
