"""Where this server's probes may go: what other members ask for must not make it reach into its own network. Pure."""

from collections.abc import Mapping
from functools import lru_cache

from msgspec import Struct

from federation.model.cidr import Network, forbidden_address, inside, network_of
from federation.model.handout import Site
from federation.model.policy import Range
from gslb.checks import Asked, Check

PORTS = (Range(80, 80), Range(443, 443), Range(1_024, 65_535))
"""Ports that probes may go to without a word of the operator: below 1024 HTTP's and HTTPS's alone."""

ADDRESSES_MAX = 1 << 16
"""Addresses of which is remembered where they lie: the names of one member share a few."""


class Bounds(Struct, frozen=True):
    """`allow`: ranges that may be probed in any case."""

    ports: tuple[Range, ...] = PORTS
    allow: tuple[Network, ...] = ()


def own_ranges(site: object) -> tuple[Network, ...]:
    """The ranges of the network that this server stands in; none before the first handout."""
    if not isinstance(site, Site):
        return ()
    return tuple(map(network_of, (*site.reachable, *site.local, site.overlay)))


def refused(asked: Mapping[Check, Asked], own: str, ranges: tuple[Network, ...], bounds: Bounds) -> dict[Check, str]:
    """Why a target is not probed, for those that are not; `own` is our member, `ranges` are its own."""
    found = {}
    for check, one in asked.items():
        why = astray(one.address, () if check.member == own else ranges, bounds) or _port_fault(one, bounds)
        if why:
            found[check] = f"target {one.address} of {check.member} is not probed: {why}"
    return found


@lru_cache(ADDRESSES_MAX)
def astray(address: str, ranges: tuple[Network, ...], bounds: Bounds) -> str:
    """Why nothing of another member's is probed at this address; "": it is. `ranges` are those of our own network."""
    if inside(address, bounds.allow):
        return ""
    own = next((str(network) for network in ranges if inside(address, (network,))), "")
    return forbidden_address(address) or (f"lies in {own}, which is our own network (--probe-allow)" if own else "")


def _port_fault(asked: Asked, bounds: Bounds) -> str:
    for port in (probe.port for probe in asked.probes if probe.port):
        if not any(one.low <= port <= one.high for one in bounds.ports):
            said = ", ".join(f"{one.low}-{one.high}" if one.low < one.high else f"{one.low}" for one in bounds.ports)
            return f"port {port} is not among {said} (--probe-ports)"
    return ""
