"""The zone clusterset.local (Multi-Cluster Services DNS specification). Pure."""

from collections.abc import Iterable
from ipaddress import ip_address

from msgspec import Struct

from federation.model.handout import Import
from gslb.zone import AAAA, CLUSTER, NS, SOA, SRV, TXT, A, Rows, Zone, parents, soa_row

ZONE = CLUSTER
TTL_SECONDS = 5
SRV_TTL = 30
VERSION_NAME = f"dns-version.{ZONE}"
VERSION_TTL = 28_800
SERVER = f"ns.dns.{ZONE}"


class Piece(Struct, frozen=True):
    """What one import adds to the zone: names with data, and those above them."""

    names: dict[str, dict[int, Rows]]
    above: frozenset[str]


NOTHING = Piece({}, frozenset())


def piece_of(item: Import) -> Piece:
    """The names of one import.

    A service answers with its clusterset IP as long as it is imported, whatever its readiness: which member serves a
    request is decided by the node's proxy, and a live name never vanishes.
    """
    if item.kind != "ClusterSetIP" or not item.addresses:
        return NOTHING
    host = item.service.host
    names: dict[str, dict[int, Rows]] = {host: {}}
    for address in item.addresses:
        kind = A if ip_address(address).version == 4 else AAAA
        names[host][kind] = ((host, kind, TTL_SECONDS, address),)
    bare = sorted({port.port for port in item.ports})
    if bare:
        names[host][SRV] = tuple((host, SRV, SRV_TTL, f"0 10 {port} {host}.") for port in bare)
    for port in item.ports:
        if port.name:
            name = f"_{port.name}._{port.protocol.lower()}.{host}"
            names[name] = {SRV: ((name, SRV, SRV_TTL, f"0 10 {port.port} {host}."),)}
    return Piece(names, frozenset(parent for name in names for parent in parents(name, ZONE)))


def cluster_zone(pieces: Iterable[Piece], serial: int) -> Zone:
    """The zone of these imports."""
    soa = soa_row(ZONE, SERVER, serial, TTL_SECONDS)
    names: dict[str, dict[int, Rows]] = {
        ZONE: {SOA: (soa,), NS: ((ZONE, NS, TTL_SECONDS, f"{SERVER}."),)},
        VERSION_NAME: {TXT: ((VERSION_NAME, TXT, VERSION_TTL, '"1.0.0"'),)},
    }
    inner: set[str] = set()
    for piece in pieces:
        names.update(piece.names)
        inner |= piece.above
    return Zone(ZONE, soa, names, frozenset(inner))
