"""Stable numbers for names: clusterset IPs and node listener ports. Pure.

A name starts at its own hash and walks on to the first free place, so that two controllers that start from nothing
mostly agree; what was given stays given.
"""

from collections.abc import Container
from hashlib import sha256
from ipaddress import ip_network

from federation.model.errors import InputError

RESERVED = 1


def place(name: str, taken: Container[int], space: int) -> int:
    """A free number of 0 to space-1 for this name. InputError when none is left."""
    start = int.from_bytes(sha256(name.encode()).digest()[:8], "big") % space
    for step in range(space):
        number = (start + step) % space
        if number not in taken:
            return number
    raise InputError(f'no place left for "{name}": all {space} are taken; give a larger range', "E118")


def address_space(prefix: str) -> int:
    """How many clusterset IPs a prefix holds: without its first and last address, at most a million."""
    return min(ip_network(prefix).num_addresses - 2, 1_000_000)


def address_at(prefix: str, number: int) -> str:
    """The clusterset IP with this number."""
    return str(ip_network(prefix)[number + RESERVED])
