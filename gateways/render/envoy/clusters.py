"""Clusters: one a port and workload at a node, one a port at a gateway. Endpoints come under the cluster's own name."""

from federation.model.spiffe import gateway_id, trust_domain
from gateways.render.envoy.common import (
    ADS,
    MEMBERS_KEPT,
    Json,
    anchor_secret,
    leaf_secret,
    secret_from_stream,
    shared,
    span,
    tls_limits,
    typed,
)
from gateways.render.envoy.resilience import CONNECT_MS, HTTP_OPTIONS, balancing, breakers, http_options, outlier
from gateways.state import Cluster

UNHEARD_MS = 10_000
"""RFC 793's user timeout (RFC 5482). Longer than a hole in the path's MTU needs to be found (`mtu-hole-gap`)."""

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
        "connect_timeout": span(item.resilience.timeouts.connect or CONNECT_MS),
        **balancing(item.affinity, item.resilience),
        "common_lb_config": _by_weight(),
        "circuit_breakers": breakers(item.resilience),
        "upstream_connection_options": _keepalive(),
        "upstream_bind_config": _patience(),
        "outlier_detection": outlier(item.resilience),
    }
    if item.http:
        made["typed_extension_protocol_options"] = {HTTP_OPTIONS: http_options(item.resilience)}
    if item.identity is not None:
        made["transport_socket_matches"] = _sockets(item, str(item.identity), domain)
        made["transport_socket"] = _remote_socket(item, str(item.identity), item.local, domain)
    return made


@shared()
def _by_weight() -> Json:
    return {
        "healthy_panic_threshold": {"value": 0},
        "locality_weighted_lb_config": {},
        "close_connections_on_host_set_change": False,
    }


@shared()
def _keepalive() -> Json:
    return {"tcp_keepalive": {"keepalive_probes": 3, "keepalive_time": 10, "keepalive_interval": 5}}


@shared()
def _patience() -> Json:
    """A connection whose data nobody acknowledges ends, and with it the requests on it: else the kernel keeps on for a
    quarter of an hour (tcp(7), tcp_retries2).
    """
    option = {"description": "TCP_USER_TIMEOUT", "level": 6, "name": 18, "int_value": UNHEARD_MS}
    return {"socket_options": [{**option, "state": "STATE_PREBIND"}]}


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
        "tls_certificate_sds_secret_configs": [leaf_secret(identity)],
        "combined_validation_context": {
            "default_validation_context": {
                "match_typed_subject_alt_names": [{"san_type": "URI", "matcher": {"exact": pin}}]
            },
            "validation_context_sds_secret_config": secret_from_stream(anchor_secret(member)),
        },
    }
