"""What Envoy tells of requests: one JSON line each, and spans to a collector (W3C Trace Context, OTLP over gRPC)."""

from ipaddress import ip_address

from msgspec import Struct

from gateways.render.envoy.common import Json, extension, socket_address, typed
from gateways.state import Telemetry

COLLECTOR = "otlp"
"""The cluster of the collector."""

METADATA = "isthmus"
"""Where a load assignment says of each host why it gets requests: `member`, `zone`, `reason`."""

PEER = "%DOWNSTREAM_PEER_URI_SAN%"
"""The caller as a gateway knows it: the identity in the certificate."""


class Told(Struct, frozen=True):
    """What logs and spans say of one chain: whose Envoy this is (`node` or `gateway`), the service, who calls."""

    telemetry: Telemetry
    role: str
    member: str
    service: str
    source: str


def access_log(told: Told, http: bool) -> Json:
    """The `access_log` of one chain; none unless it is asked for. Paths stand in it without their query strings."""
    path = told.telemetry.access_log
    if not path:
        return {}
    fields = {**_common(told), **(_HTTP if http else _TCP)}
    line = {"json_format": fields, "formatters": [_WITHOUT_QUERY]}
    if path == "stdout":
        kind = "extensions.access_loggers.stream.v3.StdoutAccessLog"
        return {"access_log": [typed("envoy.access_loggers.stdout", kind, log_format=line)]}
    kind = "extensions.access_loggers.file.v3.FileAccessLog"
    return {"access_log": [typed("envoy.access_loggers.file", kind, path=path, log_format=line)]}


_WITHOUT_QUERY = typed("envoy.formatter.req_without_query", "extensions.formatter.req_without_query.v3.ReqWithoutQuery")

_TCP = {"duration_ms": "%DURATION%"}

_HTTP = {
    "method": "%REQ(:METHOD)%",
    "path": "%REQ_WITHOUT_QUERY(:PATH)%",
    "protocol": "%PROTOCOL%",
    "status": "%RESPONSE_CODE%",
    "details": "%RESPONSE_CODE_DETAILS%",
    "duration_ms": "%DURATION%",
    "attempts": "%UPSTREAM_REQUEST_ATTEMPT_COUNT%",
    "trace": "%TRACE_ID%",
    "request": "%REQ(X-REQUEST-ID)%",
}


def _common(told: Told) -> Json:
    return {
        "time": "%START_TIME%",
        "role": told.role,
        "member": told.member,
        "service": told.service,
        "source": told.source,
        "source_address": "%DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%",
        "flags": "%RESPONSE_FLAGS%",
        "bytes_in": "%BYTES_RECEIVED%",
        "bytes_out": "%BYTES_SENT%",
        "upstream": "%UPSTREAM_HOST%",
        "to": f"%UPSTREAM_METADATA({METADATA}:member)%",
        "zone": f"%UPSTREAM_METADATA({METADATA}:zone)%",
        "reason": f"%UPSTREAM_METADATA({METADATA}:reason)%",
    }


def tracing(told: Told) -> Json:
    """The `tracing` of an HTTP chain; without a collector a caller's traceparent passes untouched."""
    if not told.telemetry.otlp:
        return {}
    provider = typed(
        "envoy.tracers.opentelemetry",
        "config.trace.v3.OpenTelemetryConfig",
        grpc_service={"envoy_grpc": {"cluster_name": COLLECTOR}, "timeout": "1s"},
        service_name=f"isthmus-{told.role}",
        sampler=_sampler(told.telemetry.trace_percent),
    )
    tags = [
        {"tag": "isthmus.member", "literal": {"value": told.member}},
        {"tag": "isthmus.service", "literal": {"value": told.service}},
        {"tag": "http.url", "value": "%REQ(:SCHEME)%://%REQ(:AUTHORITY)%%PATH(NQ)%"},
        *({"tag": f"isthmus.{name}", "metadata": _host_metadata(key)} for name, key in _TAGS),
    ]
    return {
        "tracing": {
            "provider": provider,
            "random_sampling": {"value": 100},
            "custom_tags": tags,
            "spawn_upstream_span": True,
        }
    }


def _sampler(percent: int) -> Json:
    """A caller's word on its own trace counts; of requests without one so many per cent begin one. Envoy's own sampling
    would overrule the caller (measured).
    """
    kind = "extensions.tracers.opentelemetry.samplers.v3"
    root = typed(
        "envoy.tracers.opentelemetry.samplers.trace_id_ratio_based",
        f"{kind}.TraceIdRatioBasedSamplerConfig",
        sampling_percentage={"numerator": percent, "denominator": "HUNDRED"},
    )
    name = "envoy.tracers.opentelemetry.samplers.parent_based"
    return typed(name, f"{kind}.ParentBasedSamplerConfig", wrapped_sampler=root)


_TAGS = (("to", "member"), ("zone", "zone"), ("reason", "reason"))


def _host_metadata(key: str) -> Json:
    return {"kind": {"host": {}}, "metadata_key": {"key": METADATA, "path": [{"key": key}]}}


def collector(telemetry: Telemetry) -> Json:
    """The cluster of the collector, HTTP/2 in plain text: a collector on the node or in the member."""
    host, _, port = telemetry.otlp.rpartition(":")
    host = host.strip("[]")
    endpoint = {"endpoint": {"address": socket_address(host, int(port))}}
    http2 = extension(
        "extensions.upstreams.http.v3.HttpProtocolOptions", explicit_http_config={"http2_protocol_options": {}}
    )
    return {
        "name": COLLECTOR,
        "type": "STATIC" if _is_ip(host) else "STRICT_DNS",
        "connect_timeout": "1s",
        "typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": http2},
        "load_assignment": {"cluster_name": COLLECTOR, "endpoints": [{"lb_endpoints": [endpoint]}]},
    }


def _is_ip(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
