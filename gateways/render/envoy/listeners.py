"""Listeners: one an import port at a node, chosen by who calls; one at a gateway, chosen by SNI and guarded by RBAC."""

from collections.abc import Iterable
from ipaddress import ip_network
from weakref import WeakKeyDictionary

from gateways.render.envoy.access import at_handshake, for_connections
from gateways.render.envoy.common import (
    ADS,
    ANCHORS_SECRET,
    MEMBERS_KEPT,
    PEERS_FILTER,
    PEERS_SECRET,
    Json,
    Shared,
    secret_from_stream,
    shared,
    socket_address,
    tls_limits,
    typed,
)
from gateways.render.envoy.filters import http, tcp
from gateways.render.envoy.telemetry import PEER, Told
from gateways.state import Admitted, GatewayListener, NodeListener, Offered, Situation, SourceChain

GATEWAY_LISTENER = "gateway"
_RBAC = "extensions.filters.network.rbac.v3.RBAC"
_GUARD: Json = Shared(
    {
        "name": PEERS_FILTER,
        "config_discovery": {"config_source": ADS, "type_urls": [f"type.googleapis.com/envoy.{_RBAC}"]},
    }
)
"""The peers' filter by its name (ECDS): every chain asks it, and a peer that comes or goes changes none of them. There
is no default: without it Envoy opens no listener and closes connections.
"""


def node_listener(item: NodeListener, chains: Iterable[SourceChain], own: Situation) -> Json:
    """The listener of one import port with these of its chains; other sources reach local endpoints or nothing."""
    made: Json = {
        "name": item.name,
        "address": socket_address(item.address, item.port),
        "traffic_direction": "OUTBOUND",
        "per_connection_buffer_limit_bytes": 1_048_576,
        "filter_chains": [one for chain in chains for one in _node_chains(item, chain, own)],
    }
    if item.default:
        made["default_filter_chain"] = {"name": "local", "filters": [_outbound(item, item.default, "", own)]}
    return made


def _node_chains(item: NodeListener, chain: SourceChain, own: Situation) -> list[Json]:
    """One an address: Envoy drains a chain that is another, and a pod that comes is none of its siblings' business.
    Without addresses one for all.
    """
    filters = [_outbound(item, chain.cluster, str(chain.identity), own)]
    ranges = [[_range(source)] for source in chain.sources] or [[]]
    return [
        {"name": str(chain.identity), "filter_chain_match": {"source_prefix_ranges": one}, "filters": filters}
        for one in ranges
    ]


def _outbound(item: NodeListener, towards: str, source: str, own: Situation) -> Json:
    told = Told(own.telemetry, own.role, own.member, item.service, source)
    return http(towards, told) if item.http else tcp(towards, told, item.streams)


def gateway_listener(item: GatewayListener, own: Situation) -> Json:
    """The one entrance. A server name that is not offered matches no chain, so the connection is closed.

    Each chain asks twice: whether a peer comes through its own tunnel, then whether this caller may call this port.
    """
    identity = str(item.identity)
    return {
        "name": GATEWAY_LISTENER,
        "address": socket_address(item.address, item.port),
        "traffic_direction": "INBOUND",
        "per_connection_buffer_limit_bytes": 1_048_576,
        "freebind": True,
        "listener_filters": [
            typed(
                "envoy.filters.listener.tls_inspector",
                "extensions.filters.listener.tls_inspector.v3.TlsInspector",
            )
        ],
        "listener_filters_timeout": "5s",
        "filter_chains": [_gateway_chain(offered, identity, own) for offered in item.offered],
    }


_CHAINS: WeakKeyDictionary[Offered, tuple[str, Situation, Shared]] = WeakKeyDictionary()
"""Each lives as long as the offer that it was made of, so that one changed offer costs one chain."""


def _gateway_chain(offered: Offered, identity: str, own: Situation) -> Shared:
    held = _CHAINS.get(offered)
    if held is None or held[0] != identity or held[1] != own:
        held = _CHAINS[offered] = (identity, own, Shared(_rendered(offered, identity, own)))
    return held[2]


def _rendered(offered: Offered, identity: str, own: Situation) -> Json:
    return {
        "name": offered.sni,
        "filter_chain_match": {"server_names": [offered.sni], "transport_protocol": "tls"},
        "transport_socket_connect_timeout": "5s",
        "transport_socket": _requests(identity) if offered.http else _connections(identity, offered),
        "filters": [_GUARD, *_inbound(offered, own)],
    }


def _inbound(offered: Offered, own: Situation) -> list[Json]:
    told = Told(own.telemetry, own.role, own.member, offered.service, PEER)
    if offered.http:
        return [http(offered.cluster, told, from_peer=offered)]
    return [for_connections(offered.access, offered.cluster), tcp(offered.cluster, told, offered.streams)]


@shared()
def _requests(identity: str) -> Json:
    return _entrance(identity, validation_context_sds_secret_config=secret_from_stream(PEERS_SECRET))


def _connections(identity: str, offered: Offered) -> Json:
    return _entrance(
        identity,
        combined_validation_context={
            "default_validation_context": at_handshake(offered.access),
            "validation_context_sds_secret_config": secret_from_stream(ANCHORS_SECRET),
        },
    )


def _entrance(identity: str, **validation: object) -> Json:
    context: Json = {
        "tls_params": tls_limits(),
        "tls_certificate_sds_secret_configs": [secret_from_stream(identity)],
        **validation,
    }
    return typed(
        "envoy.transport_sockets.tls",
        "extensions.transport_sockets.tls.v3.DownstreamTlsContext",
        require_client_certificate=True,
        disable_stateless_session_resumption=True,
        disable_stateful_session_resumption=True,
        common_tls_context=context,
    )


def peers_filter(admitted: Iterable[Admitted]) -> Json:
    """Identity and tunnel must be of the same member: neither a stolen leaf nor a stolen tunnel is enough."""
    rules = {"action": "ALLOW", "policies": {peer.member: _from_own_tunnel(peer) for peer in admitted}}
    return typed(PEERS_FILTER, _RBAC, stat_prefix="peers", rules=rules)


@shared(MEMBERS_KEPT)
def _from_own_tunnel(peer: Admitted) -> Json:
    identity: Json = {"authenticated": {"principal_name": {"prefix": peer.prefix}}}
    tunnel: Json = {"direct_remote_ip": _range(peer.overlay)}
    return {"permissions": [{"any": True}], "principals": [{"and_ids": {"ids": [identity, tunnel]}}]}


def _range(text: str) -> Json:
    network = ip_network(text)
    return {"address_prefix": str(network.network_address), "prefix_len": network.prefixlen}
