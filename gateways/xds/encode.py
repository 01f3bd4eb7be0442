"""Resources as dicts -> protobuf bytes with content versions; each content is parsed once."""

import hashlib
from collections.abc import Iterable

import msgspec
from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.endpoint.v3 import endpoint_pb2
from envoy.config.listener.v3 import listener_pb2
from envoy.config.route.v3 import route_pb2
from envoy.config.trace.v3 import opentelemetry_pb2
from envoy.extensions.access_loggers.file.v3 import file_pb2
from envoy.extensions.access_loggers.stream.v3 import stream_pb2
from envoy.extensions.filters.http.local_ratelimit.v3 import local_rate_limit_pb2
from envoy.extensions.filters.http.rbac.v3 import rbac_pb2 as http_rbac_pb2
from envoy.extensions.filters.http.router.v3 import router_pb2
from envoy.extensions.filters.listener.tls_inspector.v3 import tls_inspector_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2
from envoy.extensions.filters.network.rbac.v3 import rbac_pb2
from envoy.extensions.filters.network.tcp_proxy.v3 import tcp_proxy_pb2
from envoy.extensions.formatter.req_without_query.v3 import req_without_query_pb2
from envoy.extensions.retry.host.previous_hosts.v3 import previous_hosts_pb2
from envoy.extensions.retry.priority.previous_priorities.v3 import previous_priorities_config_pb2
from envoy.extensions.transport_sockets.raw_buffer.v3 import raw_buffer_pb2
from envoy.extensions.transport_sockets.tls.v3 import secret_pb2, tls_pb2
from envoy.extensions.upstreams.http.v3 import http_protocol_options_pb2
from google.protobuf import json_format
from google.protobuf.message import Message
from msgspec import Struct

from gateways.render.envoy.resources import KINDS, Part
from gateways.xds.messages import CDS, EDS, LDS, RDS, SDS, Resource

EXTENSIONS = (
    opentelemetry_pb2,
    file_pb2,
    stream_pb2,
    local_rate_limit_pb2,
    req_without_query_pb2,
    tls_inspector_pb2,
    http_connection_manager_pb2,
    rbac_pb2,
    http_rbac_pb2,
    tcp_proxy_pb2,
    router_pb2,
    previous_hosts_pb2,
    previous_priorities_config_pb2,
    raw_buffer_pb2,
    tls_pb2,
    http_protocol_options_pb2,
)
"""The types that our resources carry inside `typed_config`: importing them registers them with the parser."""

_MESSAGES: dict[str, type[Message]] = {
    CDS: cluster_pb2.Cluster,
    EDS: endpoint_pb2.ClusterLoadAssignment,
    LDS: listener_pb2.Listener,
    RDS: route_pb2.RouteConfiguration,
    SDS: secret_pb2.Secret,
}


class Kept(Struct, frozen=True):
    """A resource as it was encoded last: what it was made of, its JSON, its message."""

    made_of: tuple[object, ...]
    text: bytes
    resource: Resource


class Encoder:
    """Keeps what it encoded last, so that an unchanged resource costs a comparison and is not even rendered."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str], Kept] = {}

    def encode(self, parts: Iterable[Part]) -> tuple[dict[str, dict[str, Resource]], tuple[str, ...]]:
        """The snapshot, and a line for each resource that is no valid message; that one keeps its last good form."""
        made: dict[str, dict[str, Resource]] = {kind: {} for kind in KINDS}
        problems: list[str] = []
        kept: dict[tuple[str, str], Kept] = {}
        for part in parts:
            held = self._kept.get((part.kind, part.name))
            if held is None or held.made_of != part.made_of:
                held = _encode(part, held, problems)
            if held is not None:
                kept[(part.kind, part.name)] = held
                made[part.kind][part.name] = held.resource
        self._kept = kept
        return made, tuple(problems)


def _encode(part: Part, held: Kept | None, problems: list[str]) -> Kept | None:
    text = msgspec.json.encode(part.content())
    if held is not None and held.text == text:
        return Kept(part.made_of, text, held.resource)
    try:
        message = json_format.Parse(text, _MESSAGES[part.kind]())
    except json_format.ParseError as error:
        problems.append(f"E190 {part.kind.rpartition('.')[2]} {part.name} is no valid message: {error}")
        return held
    resource = Resource(
        name=part.name,
        version=hashlib.sha256(text).hexdigest()[:16],
        body=message.SerializeToString(deterministic=True),
        follows=(part.name,) if part.kind == CDS else (),
    )
    return Kept(part.made_of, text, resource)
