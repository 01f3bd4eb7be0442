"""Who asks, as far as answers may depend on it. Pure."""

from functools import lru_cache
from ipaddress import IPv6Address, ip_address, ip_network

from msgspec import Struct

SCOPE = {4: 24, 6: 48}
"""The bits of a client subnet (RFC 7871) that count, by IP version: never more, so that scopes never overlap."""


class Client(Struct, frozen=True):
    """Who asks: an address without scope id; whether it came as a client subnet, of which SCOPE bits count, and then
    from which resolver.
    """

    address: str
    subnet: bool = False
    resolver: str = ""


@lru_cache(65_536)
def version_of(address: str) -> int:
    """4 or 6."""
    return ip_address(address).version


def client_of(address: str) -> Client:
    """The client behind a socket's address; IPv4 that came over an IPv6 socket is IPv4."""
    parsed = ip_address(address.partition("%")[0])
    mapped = parsed.ipv4_mapped if isinstance(parsed, IPv6Address) else None
    return Client(str(mapped or parsed))


def behind(address: str, resolver: str = "") -> Client:
    """The client of a client subnet that a resolver tells, by the bits of it that count."""
    network = ip_network((address, SCOPE[version_of(address)]), strict=False)
    return Client(str(network.network_address), subnet=True, resolver=resolver)
