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
