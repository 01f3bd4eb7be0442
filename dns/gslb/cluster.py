"""The zone clusterset.local (Multi-Cluster Services DNS specification). Pure."""

from collections.abc import Iterable, Sequence

from msgspec import Struct

from federation.model.handout import HeadlessSlice, Import
from gslb.headless import TTL_SECONDS, Headless, address_rrsets, headless_of
from gslb.zone import CLUSTER, NS, SOA, SRV, TXT, RRsets, Zone, parents, soa_row

ZONE = CLUSTER
SRV_TTL = 30
VERSION_NAME = f"dns-version.{ZONE}"
VERSION_TTL = 28_800
SERVER = f"ns.dns.{ZONE}"


class Piece(Struct, frozen=True):
    """What one import adds to the zone: names with fixed data and those above them; or a headless service, whose own
    names are all in `headless`."""

    names: dict[str, RRsets]
    above: frozenset[str]
    headless: Headless | None = None


NOTHING = Piece({}, frozenset())


def piece_of(item: Import, slices: Sequence[HeadlessSlice] = ()) -> Piece:
    """The names of one import; `slices` are those of a headless one.

    A service answers with its clusterset IPs as long as it is imported, whatever its readiness: which member serves a
    request is decided by the node's proxy, and a live name never vanishes. A headless one has names while anyone is
    ready.
    """
    if item.kind == "Headless":
        headless = headless_of(item, slices)
        return Piece({}, frozenset(parents(item.service.host, ZONE)), headless) if headless else NOTHING
    return _fixed(item) if item.addresses else NOTHING


def _fixed(item: Import) -> Piece:
    host = item.service.host
    bare = sorted({port.port for port in item.ports})
    names: dict[str, RRsets] = {host: address_rrsets(host, item.addresses)}
    if bare:
        names[host] = {**names[host], SRV: tuple((host, SRV, SRV_TTL, f"0 10 {port} {host}.") for port in bare)}
    for port in item.ports:
        if port.name:
            name = f"_{port.name}._{port.protocol.lower()}.{host}"
            names[name] = {SRV: ((name, SRV, SRV_TTL, f"0 10 {port.port} {host}."),)}
    return Piece(names, frozenset(parent for name in names for parent in parents(name, ZONE)))


def cluster_zone(pieces: Iterable[Piece]) -> Zone:
    """The zone of these imports, under serial 0."""
    soa = soa_row(ZONE, SERVER, 0, TTL_SECONDS)
    names: dict[str, RRsets] = {
        ZONE: {SOA: (soa,), NS: ((ZONE, NS, TTL_SECONDS, f"{SERVER}."),)},
        VERSION_NAME: {TXT: ((VERSION_NAME, TXT, VERSION_TTL, '"1.0.0"'),)},
    }
    inner: set[str] = set()
    for piece in pieces:
        names.update(piece.names)
        inner |= piece.above
    return Zone(ZONE, soa, names, frozenset(inner))
