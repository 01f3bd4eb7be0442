"""What the state machine and its server say to each other: the delta protocol without protobuf."""

from collections.abc import Mapping

from msgspec import Struct

CDS = "type.googleapis.com/envoy.config.cluster.v3.Cluster"
EDS = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment"
LDS = "type.googleapis.com/envoy.config.listener.v3.Listener"
RDS = "type.googleapis.com/envoy.config.route.v3.RouteConfiguration"
SDS = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret"


class Resource(Struct, frozen=True, kw_only=True):
    """One resource. `version` is a hash of its content; `body` the serialised protobuf message.

    `follows` names load assignments that must be sent again after this cluster: Envoy warms a changed cluster anew
    and does not ask for its endpoints by itself (measured; research/xds-trust.md 2.7, 8).
    """

    name: str
    version: str
    body: bytes
    follows: tuple[str, ...] = ()


Snapshot = Mapping[str, Mapping[str, Resource]]
"""Resources by type URL and name."""


class Request(Struct, frozen=True, kw_only=True):
    """A DeltaDiscoveryRequest. `error` is its error_detail text, None when there is none."""

    type_url: str
    nonce: str = ""
    error: str | None = None
    subscribe: tuple[str, ...] = ()
    unsubscribe: tuple[str, ...] = ()
    initial: Mapping[str, str] = {}


class Response(Struct, frozen=True, kw_only=True):
    """A DeltaDiscoveryResponse."""

    type_url: str
    nonce: str
    resources: tuple[Resource, ...] = ()
    removed: tuple[str, ...] = ()
