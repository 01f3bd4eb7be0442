"""The network filters that end a chain: HTTP connection manager or TCP proxy, towards one cluster."""

from gateways.render.envoy.common import Json, shared, typed


def towards(cluster: str, http: bool, stat: str, from_peer: bool = False) -> Json:
    """The last filter of a chain. `from_peer`: the caller's identity is handed on as x-forwarded-client-cert."""
    if not http:
        return typed(
            "envoy.filters.network.tcp_proxy",
            "extensions.filters.network.tcp_proxy.v3.TcpProxy",
            stat_prefix=stat,
            cluster=cluster,
            max_connect_attempts=3,
        )
    identity: Json = {"forward_client_cert_details": "SANITIZE"}
    if from_peer:
        identity = {
            "forward_client_cert_details": "SANITIZE_SET",
            "set_current_client_cert_details": {"uri": True},
        }
    return typed(
        "envoy.filters.network.http_connection_manager",
        "extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        stat_prefix=stat,
        codec_type="AUTO",
        use_remote_address=not from_peer,
        route_config=_routes(cluster),
        http_filters=[_router()],
        server_header_transformation="PASS_THROUGH",
        upgrade_configs=[{"upgrade_type": "websocket"}],
        http_protocol_options={"accept_http_10": True},
        common_http_protocol_options={"idle_timeout": "3600s", "headers_with_underscores_action": "ALLOW"},
        request_headers_timeout="60s",
        **identity,
    )


@shared()
def _router() -> Json:
    return typed("envoy.filters.http.router", "extensions.filters.http.router.v3.Router", suppress_envoy_headers=True)


def _routes(cluster: str) -> Json:
    """Everything to one cluster."""
    route: Json = {
        "match": {"prefix": "/"},
        "route": {"cluster": cluster, "timeout": "0s", "retry_policy": _retries()},
    }
    return {
        "name": cluster,
        "validate_clusters": False,
        "virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [route]}],
    }


@shared()
def _retries() -> Json:
    """Retried is only what never reached a server, on another host; the last attempt goes to one that stands by."""
    return {
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
