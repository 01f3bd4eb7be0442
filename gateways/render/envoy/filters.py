"""The network filters that end a chain: HTTP connection manager or TCP proxy, towards one cluster."""

from gateways.render.envoy.access import for_requests, requests_read
from gateways.render.envoy.common import ADS, Json, shared, span, typed
from gateways.render.envoy.routes import RATE_LIMIT, rate_limit
from gateways.render.envoy.telemetry import Told, access_log, tracing
from gateways.state import Offered, Streams


def http(route: str, told: Told, from_peer: Offered | None = None) -> Json:
    """HTTP by the route configuration of this name. `from_peer`, at this port of a gateway: only whom the route admits,
    whose identity is handed on as x-forwarded-client-cert; and the exporter's rate limit counts.
    """
    identity: Json = {"forward_client_cert_details": "SANITIZE"}
    if from_peer is not None:
        identity = {
            **requests_read(from_peer, told.member),
            "forward_client_cert_details": "SANITIZE_SET",
            "set_current_client_cert_details": {"uri": True},
        }
    return typed(
        "envoy.filters.network.http_connection_manager",
        "extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        stat_prefix=route,
        codec_type="AUTO",
        use_remote_address=from_peer is None,
        rds={"route_config_name": route, "config_source": ADS},
        http_filters=_http_filters(from_peer is not None),
        server_header_transformation="PASS_THROUGH",
        upgrade_configs=[{"upgrade_type": "websocket"}],
        http_protocol_options={"accept_http_10": True},
        common_http_protocol_options={"idle_timeout": "3600s", "headers_with_underscores_action": "ALLOW"},
        request_headers_timeout="60s",
        **identity,
        **access_log(told, http=True),
        **tracing(told),
    )


def _http_filters(from_peer: bool) -> list[Json]:
    return [_admitted(), _limited(), _router()] if from_peer else [_router()]


@shared()
def _admitted() -> Json:
    return for_requests()


@shared()
def _limited() -> Json:
    """Without a limit of its own: that is the route's."""
    return {"name": RATE_LIMIT, "typed_config": rate_limit(None)}


@shared()
def _router() -> Json:
    return typed("envoy.filters.http.router", "extensions.filters.http.router.v3.Router", suppress_envoy_headers=True)


def tcp(cluster: str, told: Told, streams: Streams) -> Json:
    """Bytes to and fro. By default a connection that is used lives for ever; without a byte it ends after an hour."""
    made: Json = {"stat_prefix": cluster, "cluster": cluster, "max_connect_attempts": 3}
    idle, age = streams.resilience.timeouts.idle, streams.resilience.connection_seconds
    if idle:
        made["idle_timeout"] = span(idle)
    if age:
        made["max_downstream_connection_duration"] = span(age * 1_000)
    if streams.affinity is not None:
        made["hash_policy"] = [{"source_ip": {}}]
    made |= access_log(told, http=False)
    return typed("envoy.filters.network.tcp_proxy", "extensions.filters.network.tcp_proxy.v3.TcpProxy", **made)
