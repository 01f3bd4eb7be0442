"""The handout compiled into an immutable table that one query reads. Pure."""

from collections.abc import Mapping
from ipaddress import ip_address

from msgspec import Struct

from federation.model.handout import Import

TTL_SECONDS = 5
ZONE = "clusterset.local"


class Record(Struct, frozen=True):
    """What is known of one name: its addresses by family, and for SRV the ports with their targets."""

    a: tuple[str, ...] = ()
    aaaa: tuple[str, ...] = ()
    srv: tuple[tuple[int, str], ...] = ()


class Table(Struct, frozen=True):
    """Every name of the zone that has data (lower case, no final dot), and every empty non-terminal above one."""

    names: dict[str, Record]
    inner: frozenset[str]
    serial: int

    def exists(self, name: str) -> bool:
        """True when the name has data or stands above one that has (RFC 8020)."""
        return name in self.names or name in self.inner


def compile_table(values: Mapping[str, Struct], serial: int) -> Table:
    """The table of this handout.

    A service answers with its clusterset IP as long as it is imported, whatever its readiness: which member serves a
    request is decided by the node's proxy, and a live name never vanishes.
    """
    names: dict[str, Record] = {}
    for item in values.values():
        if isinstance(item, Import) and item.kind == "ClusterSetIP" and item.address:
            names.update(_names_of(item))
    inner = {parent for name in names for parent in _parents(name)}
    return Table(names, frozenset(inner | {ZONE}), serial)


def _names_of(item: Import) -> dict[str, Record]:
    host = item.service.host
    v4 = ip_address(item.address).version == 4
    bare = tuple(sorted({(port.port, host) for port in item.ports}))
    found = {host: Record(a=(item.address,) if v4 else (), aaaa=() if v4 else (item.address,), srv=bare)}
    for port in item.ports:
        if port.name:
            found[f"_{port.name}._{port.protocol.lower()}.{host}"] = Record(srv=((port.port, host),))
    return found


def _parents(name: str) -> list[str]:
    labels = name.split(".")
    return [".".join(labels[index:]) for index in range(1, len(labels) - 1)]
