"""The only configuration that an Envoy of ours reads from a file: who it is and where the rest comes from."""

from gateways.render.envoy.common import Json, typed


def bootstrap(node: str, member: str, region: str, xds_socket: str, admin_socket: str) -> Json:
    """Envoy's bootstrap. Both sockets are absolute paths of at most 107 bytes (unix(7))."""
    return {
        "node": {"id": node, "cluster": member, "locality": {"region": region, "zone": member}},
        "admin": {"address": {"pipe": {"path": admin_socket, "mode": 0o600}}},
        "dynamic_resources": ads(),
        "cluster_manager": {
            "load_stats_config": {"api_type": "GRPC", "transport_api_version": "V3", "grpc_services": [_stream()]}
        },
        "static_resources": {"clusters": [_xds(xds_socket)]},
        "overload_manager": {
            "resource_monitors": [
                typed(
                    "envoy.resource_monitors.global_downstream_max_connections",
                    "extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig",
                    max_active_downstream_connections=50_000,
                )
            ]
        },
    }


def _stream() -> Json:
    return {
        "envoy_grpc": {
            "cluster_name": "xds",
            "retry_policy": {"retry_back_off": {"base_interval": "0.1s", "max_interval": "1s"}},
        }
    }


def ads() -> Json:
    """The `dynamic_resources`: one incremental stream to the cluster `xds`."""
    return {
        "ads_config": {
            "api_type": "DELTA_GRPC",
            "transport_api_version": "V3",
            "grpc_services": [_stream()],
            "set_node_on_first_message_only": True,
        },
        "cds_config": {"ads": {}, "resource_api_version": "V3", "initial_fetch_timeout": "15s"},
        "lds_config": {"ads": {}, "resource_api_version": "V3", "initial_fetch_timeout": "15s"},
    }


def http2() -> Json:
    """The `typed_extension_protocol_options` of a cluster that gRPC streams stay open to."""
    options = typed(
        "",
        "extensions.upstreams.http.v3.HttpProtocolOptions",
        explicit_http_config={"http2_protocol_options": {"connection_keepalive": {"interval": "10s", "timeout": "5s"}}},
    )
    return {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": options["typed_config"]}


def _xds(path: str) -> Json:
    return {
        "name": "xds",
        "type": "STATIC",
        "connect_timeout": "1s",
        "typed_extension_protocol_options": http2(),
        "load_assignment": {
            "cluster_name": "xds",
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": {"pipe": {"path": path}}}}]}],
        },
    }
