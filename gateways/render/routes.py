"""The device as a link: its address, its MTU, the routes behind it. Routes carry PROTOCOL as the mark of ownership."""

from collections.abc import Iterable
from ipaddress import ip_network
from itertools import product

from msgspec import Struct

from gateways.state import Tunnel, Way

FAMILIES = ("ip", "ip6")
DUMMY = "192.0.0.8/32"
"""The IPv4 dummy address (RFC 7600 section 4.8)."""

PROTOCOL = 157
"""Our number in the `protocol` field of a route (rtnetlink(7)): 5 to 255 are free for administrators and daemons."""

MTU = 1420
"""1500 less 80 bytes: IPv6 header, UDP header, WireGuard data header and tag, so that any underlay of 1500 fits."""


class Link(Struct, frozen=True, kw_only=True):
    """A link with its addresses (`ip/prefix`) and our routes over it, canonical and sorted."""

    device: str
    mtu: int
    up: bool
    addresses: tuple[str, ...]
    routes: tuple[Way, ...]


class SetLink(Struct, frozen=True):
    """Bring the link up with this MTU."""

    device: str
    mtu: int


class AddAddress(Struct, frozen=True):
    """Give the link an address."""

    device: str
    address: str


class DropAddress(Struct, frozen=True):
    """Take an address from the link."""

    device: str
    address: str


class AddRoute(Struct, frozen=True):
    """Send a prefix over the link, in packets of this size."""

    device: str
    route: Way


class DropRoute(Struct, frozen=True):
    """Send a prefix over the link no more."""

    device: str
    route: Way


class DropLink(Struct, frozen=True):
    """Remove the link with all that is on it."""

    device: str


class AddRule(Struct, frozen=True):
    """Packets of this family (`ip`, `ip6`) with this mark look in the table of the same number first."""

    table: int
    family: str


class DropRule(Struct, frozen=True):
    """They do so no more."""

    table: int
    family: str


Step = SetLink | AddAddress | DropAddress | AddRoute | DropRoute | DropLink
RuleStep = AddRule | DropRule


def link_of(tunnel: Tunnel) -> Link:
    """The link of this tunnel. The own address is a host address: each peer's prefix has a route of its own, with the
    size of packets that passes there: TCP at both ends of a connection keeps to it. What carries IPv4 has an IPv4
    address, if only DUMMY: on a device without one even loose rp_filter drops what is answered over another.
    """
    carries_v4 = any("." in prefix for peer in tunnel.peers for prefix in peer.allowed)
    routes = {Way(str(ip_network(way.prefix)), way.mtu, way.table, way.metric) for way in tunnel.ways}
    return Link(
        device=tunnel.device,
        mtu=MTU,
        up=True,
        addresses=(*((DUMMY,) if carries_v4 else ()), f"{tunnel.address}/128"),
        routes=tuple(sorted(routes)),
    )


def changes(wanted: Link, actual: Link | None) -> tuple[Step, ...]:
    """What to do to a link that exists (`None`: it does not yet, everything is to be set). Additions come first."""
    held = actual or Link(device=wanted.device, mtu=0, up=False, addresses=(), routes=())
    steps: list[Step] = []
    if (held.up, held.mtu) != (wanted.up, wanted.mtu):
        steps.append(SetLink(wanted.device, wanted.mtu))
    steps.extend(AddAddress(wanted.device, a) for a in wanted.addresses if a not in held.addresses)
    steps.extend(AddRoute(wanted.device, r) for r in wanted.routes if r not in held.routes)
    kept = {r.place for r in wanted.routes}
    steps.extend(DropRoute(wanted.device, r) for r in held.routes if r.place not in kept)
    steps.extend(DropAddress(wanted.device, a) for a in held.addresses if a not in wanted.addresses)
    return tuple(steps)


def rule_changes(wanted: Iterable[int], held: Iterable[tuple[int, str]]) -> tuple[RuleStep, ...]:
    """What to do so that just these tables are asked by their marks, in both families."""
    wants, has = set(product(wanted, FAMILIES)), set(held)
    added = [AddRule(*one) for one in sorted(wants - has)]
    return (*added, *(DropRule(*one) for one in sorted(has - wants)))
