"""The bootstrap of a sidecar: who it is, its node's Workload API, and the central port, to which it shows its leaf."""

from msgspec import Struct

from federation.model.spiffe import SpiffeId, xds_id
from gateways.render.envoy.bootstrap import ads, http2
from gateways.render.envoy.common import (
    OWN_SECRET,
    WORKLOAD_API,
    WORKLOAD_CLUSTER,
    Json,
    socket_address,
    tls_limits,
    typed,
)


class Wanted(Struct, frozen=True, kw_only=True):
    """`identity` is the workload's, `xds` the central port (host, port), `workload` the node's Workload API socket,
    `admin` the port of Envoy's admin interface on loopback, 0 for none.
    """

    identity: SpiffeId
    xds: tuple[str, int]
    workload: str
    admin: int = 0


def sidecar_bootstrap(wanted: Wanted) -> Json:
    """Envoy's bootstrap. Its node id is the SPIFFE ID: the central port and the node compare it with the caller's."""
    made: Json = {
        "node": {"id": str(wanted.identity), "cluster": wanted.identity.trust_domain},
        "dynamic_resources": ads(),
        "static_resources": {"clusters": [_workload(wanted.workload), _central(wanted)]},
    }
    if wanted.admin:
        made["admin"] = {"address": socket_address("127.0.0.1", wanted.admin)}
    return made


def _workload(path: str) -> Json:
    return {
        "name": WORKLOAD_CLUSTER,
        "type": "STATIC",
        "connect_timeout": "1s",
        "typed_extension_protocol_options": http2(),
        "load_assignment": _assigned(WORKLOAD_CLUSTER, {"pipe": {"path": path}}),
    }


def _central(wanted: Wanted) -> Json:
    host, port = wanted.xds
    pin = str(xds_id(wanted.identity.trust_domain))
    context: Json = {
        "tls_params": tls_limits(),
        "alpn_protocols": ["h2"],
        "tls_certificate_sds_secret_configs": [{"name": OWN_SECRET, "sds_config": WORKLOAD_API}],
        "combined_validation_context": {
            "default_validation_context": {
                "match_typed_subject_alt_names": [{"san_type": "URI", "matcher": {"exact": pin}}]
            },
            "validation_context_sds_secret_config": {
                "name": f"spiffe://{wanted.identity.trust_domain}",
                "sds_config": WORKLOAD_API,
            },
        },
    }
    return {
        "name": "xds",
        "type": "STRICT_DNS",
        "connect_timeout": "5s",
        "typed_extension_protocol_options": http2(),
        "load_assignment": _assigned("xds", socket_address(host, port)),
        "transport_socket": typed(
            "envoy.transport_sockets.tls",
            "extensions.transport_sockets.tls.v3.UpstreamTlsContext",
            common_tls_context=context,
        ),
    }


def _assigned(name: str, address: Json) -> Json:
    return {"cluster_name": name, "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}]}
