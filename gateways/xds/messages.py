"""What the state machines and their servers say to each other: both variants of the protocol without protobuf."""

import hashlib
from collections.abc import Mapping
from functools import lru_cache

from msgspec import Struct

CDS = "type.googleapis.com/envoy.config.cluster.v3.Cluster"
EDS = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment"
LDS = "type.googleapis.com/envoy.config.listener.v3.Listener"
RDS = "type.googleapis.com/envoy.config.route.v3.RouteConfiguration"
SDS = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret"
ECDS = "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig"

ORDER = (CDS, EDS, SDS, ECDS, LDS, RDS)
"""Make before break: what is used goes before what uses it (xDS protocol, "Eventual consistency considerations")."""

MADE = (CDS, EDS)
"""What listeners and routes wait for: Envoy does not warm routes, so a cluster must be there first."""

USERS = (LDS, RDS)

WHOLE = frozenset((CDS, LDS))
"""Types that have a wildcard, and of which a state-of-the-world response is the full set: what it lacks is deleted."""

WILDCARD = "*"


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


class WorldRequest(Struct, frozen=True, kw_only=True):
    """A DiscoveryRequest (state of the world). `names` are all that the client is subscribed to, `version` the last
    version that it accepted, also on an earlier stream.
    """

    type_url: str
    nonce: str = ""
    error: str | None = None
    names: tuple[str, ...] = ()
    version: str = ""


class Response(Struct, frozen=True, kw_only=True):
    """A DeltaDiscoveryResponse. `all_of`: the version of the type as a set when these are all its resources, or ""."""

    type_url: str
    nonce: str
    resources: tuple[Resource, ...] = ()
    removed: tuple[str, ...] = ()
    all_of: str = ""


class WorldResponse(Struct, frozen=True, kw_only=True):
    """A DiscoveryResponse (state of the world): for the types in WHOLE the full set, else some of it.

    `version` is a hash of all that the client has of this type once it accepts.
    """

    type_url: str
    nonce: str
    version: str
    resources: tuple[Resource, ...] = ()


_MODULUS = 1 << 256


@lru_cache(65_536)
def _mark(name: str, version: str) -> int:
    return int.from_bytes(hashlib.sha256(f"{name}\0{version}".encode()).digest())


def mark(resource: Resource | None) -> int:
    """What a resource adds to the mark of a set: sets are equal when their sums are, in whatever order they grew.

    So the mark of a large set costs as much as its change. Nothing adds 0.
    """
    return 0 if resource is None else _mark(resource.name, resource.version)


def version_of(marks: int) -> str:
    """The version of a set, from the sum of the marks in it: a hash of its content, equal after every restart."""
    return f"{marks % _MODULUS:064x}"[:32]
