"""Resources as dicts -> protobuf bytes with content versions; only what changed is rendered and written."""

import asyncio
import hashlib
from collections.abc import Mapping

from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.core.v3 import extension_pb2
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
from envoy.extensions.tracers.opentelemetry.samplers.v3 import (
    parent_based_sampler_pb2,
    trace_id_ratio_based_sampler_pb2,
)
from envoy.extensions.transport_sockets.raw_buffer.v3 import raw_buffer_pb2
from envoy.extensions.transport_sockets.tls.v3 import secret_pb2, tls_pb2
from envoy.extensions.upstreams.http.v3 import http_protocol_options_pb2
from msgspec import Struct

from gateways.render.envoy.resources import KINDS, Part
from gateways.xds.messages import CDS, Resource, Snapshot
from gateways.xds.protojson import Unwritable, message_bytes

TYPES = (
    cluster_pb2,
    extension_pb2,
    endpoint_pb2,
    listener_pb2,
    route_pb2,
    secret_pb2,
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
    opentelemetry_pb2,
    parent_based_sampler_pb2,
    trace_id_ratio_based_sampler_pb2,
    file_pb2,
    stream_pb2,
    local_rate_limit_pb2,
    req_without_query_pb2,
)
"""Where the types of our resources, and of what `typed_config` carries, are defined: importing makes them known."""

Key = tuple[str, str]
"""Type URL and name of a resource."""


class Kept(Struct, frozen=True):
    """A resource as it was encoded last, and what it was made of."""

    made_of: tuple[object, ...]
    resource: Resource


class Encoded(Struct, frozen=True):
    """The whole content now, the keys that differ from the last time, and a line for each resource that is no valid
    message: that one keeps its last good form.
    """

    snapshot: Snapshot
    changed: frozenset[Key]
    problems: tuple[str, ...]


AT_ONCE = 32
"""Groups of resources that are encoded without leaving the loop: a few milliseconds; more go to a thread."""


class Encoder:
    """Keeps what it encoded: a part that is made of the same as the last time is not even rendered."""

    def __init__(self) -> None:
        self._snapshot: dict[str, dict[str, Resource]] = {kind: {} for kind in KINDS}
        self._kept: dict[Key, Kept] = {}
        self._groups: dict[str, frozenset[Key]] = {}
        self._invalid: dict[Key, str] = {}

    def encode(self, groups: Mapping[str, tuple[Part, ...]]) -> Encoded:
        """Let these parts be all of their groups; groups that are not named stay as they are."""
        changed: dict[Key, Resource | None] = {}
        for name, parts in groups.items():
            keys = frozenset((part.kind, part.name) for part in parts)
            for key in self._groups.get(name, frozenset()) - keys:
                changed[key] = None
                self._kept.pop(key, None)
                self._invalid.pop(key, None)
            self._groups[name] = keys
            for part in parts:
                self._encode(part, changed)
        self._take(changed)
        return Encoded(self._snapshot, frozenset(changed), tuple(self._invalid[key] for key in sorted(self._invalid)))

    def _encode(self, part: Part, changed: dict[Key, Resource | None]) -> None:
        key = (part.kind, part.name)
        held = self._kept.get(key)
        self._invalid.pop(key, None)
        if held is not None and held.made_of == part.made_of:
            return
        try:
            body = message_bytes(part.kind.rpartition("/")[2], part.content())
        except Unwritable as error:
            self._invalid[key] = f"E190 {part.kind.rpartition('.')[2]} {part.name} is no valid message: {error}"
            return
        resource = held.resource if held is not None and held.resource.body == body else _resource(part, body)
        self._kept[key] = Kept(part.made_of, resource)
        if held is None or held.resource is not resource:
            changed[key] = resource

    def _take(self, changed: Mapping[Key, Resource | None]) -> None:
        """What was given out before stays as it is; a type without a change is not copied."""
        kinds = {kind for kind, _ in changed}
        self._snapshot = {kind: dict(held) if kind in kinds else held for kind, held in self._snapshot.items()}
        for (kind, name), resource in changed.items():
            if resource is None:
                self._snapshot[kind].pop(name, None)
            else:
                self._snapshot[kind][name] = resource


def _resource(part: Part, body: bytes) -> Resource:
    return Resource(
        name=part.name,
        version=hashlib.sha256(body).hexdigest()[:16],
        body=body,
        follows=(part.name,) if part.kind == CDS else (),
    )


async def encoded(encoder: Encoder, groups: Mapping[str, tuple[Part, ...]]) -> Encoded:
    """Encode beside the loop what would hold it up for long."""
    if len(groups) > AT_ONCE:
        return await asyncio.to_thread(encoder.encode, groups)
    return encoder.encode(groups)
