"""Address ranges: who may own what, and what no member may ever claim (threat model C3, C4)."""

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from federation.model.errors import InputError

Network = IPv4Network | IPv6Network

NEVER: tuple[Network, ...] = tuple(
    ip_network(text)
    for text in (
        "0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "240.0.0.0/4",
        "::/128", "::1/128", "::ffff:0:0/96", "fe80::/10", "ff00::/8",
    )
)  # fmt: skip


NETWORKS_KEPT = 16_384


@lru_cache(NETWORKS_KEPT)
def network_of(text: str) -> Network:
    """The network of this text; ValueError when it is none."""
    return ip_network(text)


def host_of(endpoint: str) -> str:
    """The address or name in `host:port` or `[v6]:port`; "" for ""."""
    return endpoint.rpartition(":")[0].strip("[]")


def parse_cidr(text: str, what: str) -> Network:
    """A network in its canonical form. InputError for host bits, a default route, or a range in NEVER."""
    try:
        network = ip_network(text)
    except ValueError as error:
        raise InputError(f'{what} "{text}": {error}', "E101") from None
    if network.prefixlen == 0:
        raise InputError(f'{what} "{text}": a default route cannot be claimed', "E101")
    bad = first_overlap(network, NEVER)
    if bad is not None:
        raise InputError(f'{what} "{text}" overlaps {bad}, which no member may claim', "E101")
    return network


def overlaps(a: Network, b: Network) -> bool:
    """True when the two share an address; networks of different families never do."""
    if isinstance(a, IPv4Network) and isinstance(b, IPv4Network):
        return a.overlaps(b)
    return isinstance(a, IPv6Network) and isinstance(b, IPv6Network) and a.overlaps(b)


def first_overlap(network: Network, others: Iterable[Network]) -> Network | None:
    """The first of `others` that shares an address with `network`."""
    return next((other for other in others if overlaps(network, other)), None)


@lru_cache(NETWORKS_KEPT)
def forbidden_address(text: str) -> str | None:
    """Why an endpoint may never have this address, or None. v4-mapped IPv6 is refused whole."""
    try:
        address = ip_address(text)
    except ValueError:
        return "is not an IP address"
    if isinstance(address, IPv6Address) and address.scope_id is not None:
        return "has a scope id"
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return "is a v4-mapped address"
    bad = next((network for network in NEVER if address in network), None)
    return None if bad is None else f"lies in {bad}, which is never an endpoint"


def is_network(text: str) -> bool:
    """True for an address range without host bits."""
    try:
        ip_network(text)
    except ValueError:
        return False
    return True


def inside(text: str, networks: Iterable[Network]) -> bool:
    """True when the address lies in one of the networks."""
    address = ip_address(text)
    return any(address in network for network in networks)


def is_canonical(text: str) -> bool:
    """True for an IP address in its one usual spelling, without a scope id."""
    try:
        return str(ip_address(text)) == text and "%" not in text
    except ValueError:
        return False
