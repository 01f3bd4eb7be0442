"""What a reader refuses of another member's gateways: whatever would lead packets astray. Pure."""

from ipaddress import ip_address, ip_network

from federation.link.possession import proves
from federation.model.cidr import forbidden_address, inside, is_canonical
from federation.model.errors import Refused
from federation.model.ledger import Member
from federation.model.names import is_label
from federation.model.overlay import RAILS, federation_of
from federation.model.record import ALTERNATES_MAX, Gateway, Spare
from federation.model.sighting import Sighting

PRIME = 2**255 - 19
_ORDER_8 = (
    325606250916557431795983626356110631294008115727848805560023387167927233504,
    39382357235489614581723060781553021112529911719440698176882885853963445705823,
)
LOW_ORDER = frozenset((0, 1, PRIME - 1, *_ORDER_8))
"""u coordinates of which every multiple is one of a few points: a key that everybody shares (RFC 7748 section 6.1)."""


def check_gateway(gateway: Gateway, member: Member, reader: Member) -> None:
    """Refused when the reader may not open a link to this gateway of this member."""
    name = f'gateway {gateway.id} of member "{member.name}"'
    check_number(gateway.id, f"{name}: id")
    check_number(gateway.port, f"{name}: port")
    if not is_canonical(gateway.overlay) or not inside(gateway.overlay, member.owned()[-1:]):
        raise Refused(f"{name}: overlay address {gateway.overlay} is not in {member.overlay}; last good kept", "E103")
    _check_end(gateway, gateway.node, name, member, reader)
    if gateway.spare is not None:
        _check_end(gateway.spare, gateway.node, f"{name}: spare", member, reader)


def _check_end(end: Gateway | Spare, node: str, name: str, member: Member, reader: Member) -> None:
    """What a link under one of its keys ends at."""
    _check_key(end, node, member, name)
    if not 1 <= end.rail <= RAILS:
        raise Refused(f"{name}: rail {end.rail} is not 1 to {RAILS}; last good kept", "E120")
    if len(end.alternates) > ALTERNATES_MAX:
        raise Refused(f"{name}: {len(end.alternates)} further endpoints > {ALTERNATES_MAX}; last good kept", "E118")
    for endpoint in (end.endpoint, *end.alternates):
        host, port = _endpoint_parts(endpoint, name)
        check_number(port, f"{name}: endpoint port", 65_536 - RAILS)
        why = forbidden_address(host) or _led_astray(host, member, reader)
        if why is not None:
            raise Refused(f"{name}: endpoint {endpoint} {why}; last good kept", "E122")


def check_sighting(sighting: Sighting, member: Member, reader: Member) -> None:
    """Refused when this member may not say where it hears this gateway, or nobody can be heard there.

    What it says is only tried, and only while nothing is heard of that gateway: WireGuard proves who answers.
    """
    name = f'sighting of gateway {sighting.gateway} of "{sighting.member[:80]}" by member "{member.name}"'
    if not is_label(sighting.member) or sighting.member == member.name:
        raise Refused(f"{name}: is not about another member; last good kept", "E114")
    check_number(sighting.gateway, f"{name}: id")
    check_number(sighting.rail, f"{name}: rail", RAILS)
    host, port = _endpoint_parts(sighting.endpoint, name)
    check_number(port, f"{name}: endpoint port")
    why = forbidden_address(host)
    if why is None and ip_address(host) in ip_network(federation_of(reader.overlay)):
        why = "lies in the overlay"
    if why is not None:
        raise Refused(f"{name}: endpoint {sighting.endpoint} {why}; last good kept", "E122")


def check_number(number: int, what: str, most: int = 65_535) -> None:
    """Refused when it is no port or id."""
    if not 1 <= number <= most:
        raise Refused(f"{what} {number} is not 1 to {most}; last good kept", "E120")


def _check_key(end: Gateway | Spare, node: str, member: Member, name: str) -> None:
    if len(end.key) != 32 or not any(end.key):
        raise Refused(f"{name}: the WireGuard public key is not 32 bytes or is all zero; last good kept", "E121")
    if (int.from_bytes(end.key, "little") & ((1 << 255) - 1)) % PRIME in LOW_ORDER:
        raise Refused(f"{name}: the WireGuard public key is of low order; last good kept", "E121")
    if not proves(end.proof, end.key, member.name, node):
        raise Refused(f"{name}: does not prove possession of its WireGuard key; last good kept", "E121")


def _led_astray(host: str, member: Member, reader: Member) -> str | None:
    """Why packets to this address would not reach the member: they would go to our own pods, or into the link."""
    address = ip_address(host)
    if any(address in ip_network(text) for text in (*reader.reachable, reader.overlay)):
        return "lies in our own ranges"
    return "lies in its own overlay" if address in ip_network(member.overlay) else None


def _endpoint_parts(endpoint: str, name: str) -> tuple[str, int]:
    """Host and port of `ip:port` or `[v6]:port` in its one canonical spelling: it goes to WireGuard as it stands."""
    host, _, port = endpoint.rpartition(":")
    bare = host[1:-1] if host.startswith("[") else host
    canonical = is_canonical(bare) and port.isascii() and port.isdigit() and str(int(port)) == port
    if not canonical or (":" in bare) != host.startswith("["):
        raise Refused(f"{name}: endpoint {endpoint[:80]!r} is not ip:port; last good kept", "E122")
    return bare, int(port)
