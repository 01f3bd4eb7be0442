"""Where programs stand in their member's overlay prefix (design section 8): gateways first, nodes in a range."""

from functools import lru_cache
from ipaddress import IPv6Network

NODES_FROM = 1 << 32
NODES = 1 << 20
"""How many nodes a member may have with an address in the overlay."""

RAILS = 8
"""How many gateways of a member carry at a time: each on a rail of its own, which its peers know by its number."""


@lru_cache(16_384)
def prefix_of(text: str) -> IPv6Network:
    """A member's overlay prefix; ValueError when this is none."""
    return IPv6Network(text)


SLOTS = 2
"""How many WireGuard keys a gateway may have at a time, while one is exchanged for another: each has a slot, with a
rail and UDP ports of its own.
"""


def rail_key(node: str, slot: int) -> str:
    """The name under which the rail of this gateway's key in this slot is given: the gateway's own for the first."""
    return f"{node}/{slot}" if slot else node


def port_after(endpoint: str, ports: int) -> str:
    """The same address (`ip:port`), so many ports further; "" stays."""
    host, _, port = endpoint.rpartition(":")
    return f"{host}:{int(port) + ports}" if ports and endpoint else endpoint


def slot_endpoint(endpoint: str, slot: int) -> str:
    """Where peers meet a gateway under the key in this slot: each slot has a port for each rail of theirs."""
    return port_after(endpoint, slot * RAILS)


def gateway_address(overlay: str, number: int) -> str:
    """Gateway i of a member has the i-th address of its prefix."""
    return str(prefix_of(overlay)[number])


def node_address(overlay: str, number: int) -> str:
    """The address of a node, by the number that its controller gave it."""
    return str(prefix_of(overlay)[NODES_FROM + number])


def nodes_of(overlay: str) -> str:
    """The range of all nodes of a member."""
    return f"{prefix_of(overlay)[NODES_FROM]}/96"


def federation_of(overlay: str) -> str:
    """The range of all members (`registrar.admit.overlay_prefix`)."""
    return str(prefix_of(overlay).supernet(new_prefix=48))
