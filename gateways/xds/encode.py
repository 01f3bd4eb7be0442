"""Resources as dicts -> protobuf bytes with content versions; each content is parsed once."""

import hashlib
from collections.abc import Mapping

import msgspec
from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.endpoint.v3 import endpoint_pb2
from envoy.config.listener.v3 import listener_pb2
from envoy.extensions.filters.http.router.v3 import router_pb2
from envoy.extensions.filters.listener.tls_inspector.v3 import tls_inspector_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2
from envoy.extensions.filters.network.rbac.v3 import rbac_pb2
from envoy.extensions.filters.network.tcp_proxy.v3 import tcp_proxy_pb2
from envoy.extensions.retry.host.previous_hosts.v3 import previous_hosts_pb2
from envoy.extensions.transport_sockets.raw_buffer.v3 import raw_buffer_pb2
from envoy.extensions.transport_sockets.tls.v3 import secret_pb2, tls_pb2
from envoy.extensions.upstreams.http.v3 import http_protocol_options_pb2
from google.protobuf import json_format
from google.protobuf.message import Message

from gateways.xds.messages import CDS, EDS, LDS, SDS, Resource

EXTENSIONS = (
    tls_inspector_pb2,
    http_connection_manager_pb2,
    rbac_pb2,
    tcp_proxy_pb2,
    router_pb2,
    previous_hosts_pb2,
    raw_buffer_pb2,
    tls_pb2,
    http_protocol_options_pb2,
)
"""The types that our resources carry inside `typed_config`: importing them registers them with the parser."""

_MESSAGES: dict[str, type[Message]] = {
    CDS: cluster_pb2.Cluster,
    EDS: endpoint_pb2.ClusterLoadAssignment,
    LDS: listener_pb2.Listener,
    SDS: secret_pb2.Secret,
}


class Encoder:
    """Keeps what it encoded last, so that an unchanged resource costs a comparison."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str], tuple[bytes, Resource]] = {}

    def encode(
        self, resources: Mapping[str, Mapping[str, dict[str, object]]]
    ) -> tuple[dict[str, dict[str, Resource]], tuple[str, ...]]:
        """The snapshot, and a line for each resource that is no valid message; that one keeps its last good form."""
        made: dict[str, dict[str, Resource]] = {}
        problems: list[str] = []
        kept: dict[tuple[str, str], tuple[bytes, Resource]] = {}
        for type_url, by_name in resources.items():
            made[type_url] = {}
            for name, content in by_name.items():
                entry = self._entry(type_url, name, content, problems)
                if entry is not None:
                    kept[(type_url, name)] = entry
                    made[type_url][name] = entry[1]
        self._kept = kept
        return made, tuple(problems)

    def _entry(
        self, type_url: str, name: str, content: dict[str, object], problems: list[str]
    ) -> tuple[bytes, Resource] | None:
        text = msgspec.json.encode(content)
        held = self._kept.get((type_url, name))
        if held is not None and held[0] == text:
            return held
        try:
            message = json_format.Parse(text, _MESSAGES[type_url]())
        except json_format.ParseError as error:
            problems.append(f"E190 {type_url.rpartition('.')[2]} {name} is no valid message: {error}")
            return held
        return text, Resource(
            name=name,
            version=hashlib.sha256(text).hexdigest()[:16],
            body=message.SerializeToString(deterministic=True),
            follows=(name,) if type_url == CDS else (),
        )
