"""Flat mode: the pods of two members reach each other by address (design section 8). By which addresses. Pure."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from ipaddress import ip_address

from msgspec import Struct

from federation.model.cidr import Network, first_overlap, network_of
from federation.model.names import MemberName


class Flat(Struct, frozen=True):
    """The owner of the record would have its pods and those of the member `to` reach each other by address: they do
    while the record of `to` says the same of the owner. Key `flat/<to>`.
    """

    to: MemberName


class Egress(Struct, frozen=True):
    """Packets of the owner's pods in this namespace come from these ranges, and nobody else's do. Key
    `egress/<namespace>`.
    """

    namespace: str
    ranges: tuple[str, ...]


EGRESS_RANGES_MAX = 4
"""Ranges of one namespace."""


class Image(Struct, frozen=True, order=True):
    """Addresses of the range `local` are seen by other members as those of `shared`, one by one: the same length, the
    same last bits.
    """

    local: str
    shared: str


def seen_address(address: str, images: Sequence[Image]) -> str:
    """This own address as other members see it: the same where no image has it."""
    if not images:
        return address
    at = ip_address(address)
    for image in images:
        local = network_of(image.local)
        if at in local:
            shared = network_of(image.shared)
            return str(shared[int(at) - int(local.network_address)])
    return address


def seen_range(text: str, images: Sequence[Image]) -> str:
    """This own range as other members see it: the same where no image has all of it."""
    network = network_of(text)
    for image in images:
        if _within(network, network_of(image.local)):
            first = seen_address(str(network.network_address), (image,))
            return f"{first}/{network.prefixlen}"
    return text


def had_range(text: str, images: Sequence[Image]) -> str:
    """The own range that other members see as this one."""
    return seen_range(text, [Image(one.shared, one.local) for one in images])


def placed(pods: Iterable[str], reachable: Iterable[str], images: Sequence[Image]) -> tuple[tuple[str, str], ...]:
    """Each of these ranges of pods with how other members see it; those in no reachable range are left out."""
    found = []
    for text in pods:
        with suppress(ValueError):
            seen = seen_range(text, images)
            if within(seen, reachable):
                found.append((text, seen))
    return tuple(sorted(found))


def within(text: str, ranges: Iterable[str]) -> bool:
    """True when all of this range lies in one of the others."""
    return any(_within(network_of(text), network_of(other)) for other in ranges)


def meeting(text: str, ranges: Iterable[str]) -> str | None:
    """The first of these ranges that shares an address with this one."""
    found = first_overlap(network_of(text), map(network_of, ranges))
    return None if found is None else str(found)


def _within(network: Network, other: Network) -> bool:
    return network.version == other.version and network.prefixlen >= other.prefixlen and network[0] in other
