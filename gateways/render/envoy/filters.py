"""The network filters that end a chain: HTTP connection manager or TCP proxy, towards one cluster."""

from gateways.render.envoy.access import Entrance
from gateways.render.envoy.common import Json, typed


def towards(cluster: str, http: bool, stat: str, entrance: Entrance | None = None) -> Json:
    """The last filter of a chain. At the `entrance` from peers the caller's identity is handed on as
    x-forwarded-client-cert.
    """
    if not http:
        return typed(
            "envoy.filters.network.tcp_proxy",
            "extensions.filters.network.tcp_proxy.v3.TcpProxy",
            stat_prefix=stat,
            cluster=cluster,
            max_connect_attempts=3,
        )
    identity: Json = {"forward_client_cert_details": "SANITIZE"}
    if entrance is not None:
        identity = {
            **entrance.manager,
            "forward_client_cert_details": "SANITIZE_SET",
            "set_current_client_cert_details": {"uri": True},
        }
    return typed(
        "envoy.filters.network.http_connection_manager",
        "extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        stat_prefix=stat,
        codec_type="AUTO",
        use_remote_address=entrance is None,
        route_config=_routes(cluster, entrance.routes if entrance else {}),
        http_filters=[
            *(entrance.filters if entrance else ()),
            typed("envoy.filters.http.router", "extensions.filters.http.router.v3.Router", suppress_envoy_headers=True),
        ],
        server_header_transformation="PASS_THROUGH",
        upgrade_configs=[{"upgrade_type": "websocket"}],
        http_protocol_options={"accept_http_10": True},
        common_http_protocol_options={"idle_timeout": "3600s", "headers_with_underscores_action": "ALLOW"},
        request_headers_timeout="60s",
        **identity,
    )


def _routes(cluster: str, per_filter: Json) -> Json:
    """Everything to one cluster. Retried is only what never reached a server, on another host; the last attempt goes
    to a member that stands by.
    """
    retry: Json = {
        "retry_on": "connect-failure,refused-stream",
        "num_retries": 2,
        "retry_host_predicate": [
            typed(
                "envoy.retry_host_predicates.previous_hosts",
                "extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate",
            )
        ],
        "host_selection_retry_max_attempts": 3,
        "retry_priority": typed(
            "envoy.retry_priorities.previous_priorities",
            "extensions.retry.priority.previous_priorities.v3.PreviousPrioritiesConfig",
            update_frequency=2,
        ),
        "retry_back_off": {"base_interval": "0.025s", "max_interval": "0.25s"},
    }
    route: Json = {
        "match": {"prefix": "/"},
        "route": {"cluster": cluster, "timeout": "0s", "retry_policy": retry},
    }
    host: Json = {"name": "all", "domains": ["*"], "routes": [route]}
    if per_filter:
        host["typed_per_filter_config"] = per_filter
    return {"name": cluster, "validate_clusters": False, "virtual_hosts": [host]}
