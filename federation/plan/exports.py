"""Merging the exports of one service (KEP-1645, conflict resolution): the union of ports, the earliest admitted
wins. Pure.
"""

from collections.abc import Sequence

from msgspec import Struct

from federation.model.record import Export, Port


class MergedPorts(Struct, frozen=True):
    """The ports of the import, and one line per conflict."""

    ports: tuple[Port, ...]
    conflicts: tuple[str, ...]


def merge_ports(exports: Sequence[Export]) -> MergedPorts:
    """Union by name, then by (protocol, port); the first export that names either keeps it. Exports come in order of
    rank.
    """
    ports: list[Port] = []
    conflicts: list[str] = []
    for export in exports:
        for port in export.ports:
            same = next((p for p in ports if p.name == port.name or _number(p) == _number(port)), None)
            if same is None:
                ports.append(port)
            elif (same.name, _number(same)) != (port.name, _number(port)):
                conflicts.append(
                    f"{export.service}: PortConflict: port {port.name or port.port} is {port.port}/{port.protocol} "
                    "here and "
                    f"{same.port}/{same.protocol} as {same.name or same.port} in an export admitted earlier; ignored"
                )
    return MergedPorts(tuple(ports), tuple(conflicts))


def usable_ports(export: Export, merged: Sequence[Port]) -> tuple[str, ...]:
    """The names of the merged ports that this export exposes under the same name and number."""
    own = {(port.name, _number(port)) for port in export.ports}
    return tuple(port.name for port in merged if (port.name, _number(port)) in own)


def _number(port: Port) -> tuple[str, int]:
    return (port.protocol, port.port)
