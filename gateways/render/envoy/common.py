"""The words that all Envoy resources share: type URLs, addresses, where secrets come from."""

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import ParamSpec, cast

from gateways.state import BEARER, Host

Json = dict[str, object]


class Shared(Json):
    """A piece that many resources hold, made once and never changed. The encoder keeps its bytes, alone (`wire`)
    and as the field that it stood in last (`field`).
    """

    __slots__ = ("field", "wire")

    def __init__(self, content: Json) -> None:
        super().__init__(content)
        self.wire: tuple[object, bytes] | None = None
        self.field: tuple[object, bytes] | None = None


P = ParamSpec("P")
MEMBERS_KEPT = 1_024
"""More than a federation has members."""


def shared(kept: int = 1) -> Callable[[Callable[P, Json]], Callable[P, Shared]]:
    """Of a function of hashable values: for equal ones, of the last `kept`, its result is made once."""

    def decorate(render: Callable[P, Json]) -> Callable[P, Shared]:
        def made(*args: P.args, **named: P.kwargs) -> Shared:
            return Shared(render(*args, **named))

        return cast(Callable[P, Shared], wraps(render)(lru_cache(kept)(made)))

    return decorate


_TYPES = "type.googleapis.com/envoy"
CDS = f"{_TYPES}.config.cluster.v3.Cluster"
EDS = f"{_TYPES}.config.endpoint.v3.ClusterLoadAssignment"
LDS = f"{_TYPES}.config.listener.v3.Listener"
RDS = f"{_TYPES}.config.route.v3.RouteConfiguration"
SDS = f"{_TYPES}.extensions.transport_sockets.tls.v3.Secret"
ECDS = f"{_TYPES}.config.core.v3.TypedExtensionConfig"

ADS: Json = Shared({"ads": {}, "resource_api_version": "V3", "initial_fetch_timeout": "15s"})
"""From the one stream. Only dynamic resources may say so: a static one that does crashes Envoy 1.40 at boot."""


def typed(name: str, kind: str, **fields: object) -> Json:
    """An extension: its name and its configuration under the type `envoy.<kind>`."""
    return {"name": name, "typed_config": {"@type": f"{_TYPES}.{kind}", **fields}}


def extension(kind: str, **fields: object) -> Json:
    """A configuration of the type `envoy.<kind>` where its name stands elsewhere."""
    return {"@type": f"{_TYPES}.{kind}", **fields}


def span(milliseconds: int) -> str:
    """A google.protobuf.Duration in its JSON form."""
    whole, rest = divmod(milliseconds, 1_000)
    return f"{whole}.{rest:03d}s" if rest else f"{whole}s"


def socket_address(address: str, port: int) -> Json:
    """A TCP address."""
    return {"socket_address": {"address": address, "port_value": port}}


def host_address(host: Host) -> Json:
    """The address of an upstream host."""
    return socket_address(host.address, host.port)


def secret_from_stream(name: str) -> Json:
    """A secret of this name, by SDS over the one stream."""
    return {"name": name, "sds_config": ADS}


OWN_SECRET = "default"  # noqa: S105 - a name
WORKLOAD_CLUSTER = "workload"
WORKLOAD_API: Json = Shared(
    {
        "resource_api_version": "V3",
        "initial_fetch_timeout": "15s",
        "api_config_source": {
            "api_type": "GRPC",
            "transport_api_version": "V3",
            "set_node_on_first_message_only": True,
            "grpc_services": [
                {
                    "envoy_grpc": {"cluster_name": WORKLOAD_CLUSTER},
                    "initial_metadata": [{"key": "workload.spiffe.io", "value": "true"}],
                }
            ],
        },
    }
)
"""SDS of the node's agent beside its Workload API, by a cluster of the sidecar's bootstrap: a sidecar's private key is
never on the central port.
"""


def leaf_secret(identity: str) -> Json:
    """The leaf of this identity: over the one stream, but the bearer's own from the node that it runs on."""
    if identity.split("/")[3:] == [BEARER]:
        return {"name": OWN_SECRET, "sds_config": WORKLOAD_API}
    return secret_from_stream(identity)


def anchor_secret(member: str) -> str:
    """The name of the secret that holds one member's anchor."""
    return f"anchor/{member}"


def foreign_secret(trust_domain: str) -> str:
    """The name of the secret that holds a foreign trust domain's bundle: its SPIFFE ID."""
    return f"spiffe://{trust_domain}"


ANCHORS_SECRET = "anchors/all"  # noqa: S105 - a name
"""The name of the secret with the peers' anchors alone: who of them may come in is said where it is used."""

PEERS_FILTER = "peers"
"""The name of the network filter with which a gateway checks from whose tunnel a caller comes."""

PEERS_SECRET = "anchors/peers"  # noqa: S105 - a name
"""The name of the secret with which a gateway checks who comes in."""


def tls_limits() -> Json:
    """TLS 1.3 and nothing older (RFC 8446)."""
    return {"tls_minimum_protocol_version": "TLSv1_3", "tls_maximum_protocol_version": "TLSv1_3"}
