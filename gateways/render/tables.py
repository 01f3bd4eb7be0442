"""Our one nft table of each role."""

from collections.abc import Iterable, Sequence
from ipaddress import ip_address

from gateways.flat_state import FlatMode
from gateways.render.flat import node_chains, sets_of
from gateways.render.gateway_table import gateway_table
from gateways.render.nft import GATEWAY_TABLE, NODE_TABLE, Chain, Json, Table, equal, payload
from gateways.state import GATEWAY_PORT, Capture, NodeState


def table_of(state: NodeState) -> Table:
    """The table of this node's role."""
    if state.tunnels and state.situation.role == "gateway":
        drained, relay = bool(state.drained), state.situation.relay
        return gateway_table(state.tunnels, state.overlay, GATEWAY_PORT, drained=drained, relay=relay, flat=state.flat)
    return node_table(state.situation.address, state.captures, state.flat, [one.device for one in state.tunnels])


def table_name(role: str) -> str:
    """The name of the table of a role."""
    return GATEWAY_TABLE if role == "gateway" else NODE_TABLE


def node_table(
    address: str, captures: Iterable[Capture], flat: FlatMode | None = None, tunnels: Sequence[str] = ()
) -> Table:
    """TCP to a clusterset IP, from pods and from the node itself, arrives at the listener on `address`; between pods of
    this node and flat peers passes what may.
    """
    rules = tuple(_capture(address, capture) for capture in captures)
    return Table(
        NODE_TABLE,
        (
            Chain(name="output", kind="nat", hook="output", priority=-100, rules=rules),
            Chain(name="prerouting", kind="nat", hook="prerouting", priority=-100, rules=rules),
            *(() if flat is None else node_chains(flat, tunnels)),
        ),
        () if flat is None else sets_of(flat),
    )


def _capture(address: str, capture: Capture) -> tuple[Json, ...]:
    family = "ip" if ip_address(capture.address).version == 4 else "ip6"
    return (
        equal(payload(family, "daddr"), capture.address),
        equal(payload("tcp", "dport"), capture.port),
        {"dnat": {"family": family, "addr": address, "port": capture.listener}},
    )
