"""Merging the exports of one service (KEP-1645, conflict resolution): ports are united, of everything else the oldest
export's whole value holds, and whoever says otherwise is a conflict. Pure.
"""

from collections.abc import Callable, Hashable, Sequence

from msgspec import Struct, structs

from federation.model.names import MemberName
from federation.model.record import Export, IpFamily, Port, ServiceKind, Traits

PROVISIONAL = 1 << 62
"""Where exports that the registrar has not numbered yet rank: after all that it has."""
FEW = 5
"""So many ports or members are named in a message, the others counted."""


class Conflict(Struct, frozen=True):
    """A property in which exports differ: the reason as KEP-1645 names it, and who won."""

    reason: str
    message: str


class Merged(Struct, frozen=True):
    """What the import is: `kind` and `traits` of the oldest export, families and ports of all."""

    kind: ServiceKind
    ports: tuple[Port, ...]
    traits: Traits
    conflicts: tuple[Conflict, ...]


Exporter = tuple[MemberName, Export]
_PROPERTIES: tuple[tuple[str, str, Callable[[Export], Hashable]], ...] = (
    ("TypeConflict", "type", lambda e: e.kind),
    ("SessionAffinityConflict", "sessionAffinity", lambda e: e.traits.session_affinity),
    ("SessionAffinityConfigConflict", "sessionAffinityConfig", lambda e: e.traits.affinity_seconds),
    ("InternalTrafficPolicyConflict", "internalTrafficPolicy", lambda e: e.traits.internal_traffic_policy),
    ("TrafficDistributionConflict", "trafficDistribution", lambda e: e.traits.traffic_distribution),
    ("LabelsConflict", "labels", lambda e: tuple(sorted(e.traits.labels.items()))),
    ("AnnotationsConflict", "annotations", lambda e: tuple(sorted(e.traits.annotations.items()))),
)
_SHOWN = ("type", "sessionAffinity", "internalTrafficPolicy", "trafficDistribution")


def merge(exporters: Sequence[Exporter]) -> Merged:
    """The import of these exports, the oldest first; at least one."""
    _, first = exporters[0]
    ports, left_out = _united(exporters)
    families = tuple(dict.fromkeys(family for _, export in exporters for family in export.traits.families))
    conflicts = (
        _port_conflict(exporters, left_out),
        *(_differing(exporters, *of) for of in _PROPERTIES),
        _family_conflict(exporters, families),
    )
    return Merged(
        kind=first.kind,
        ports=ports,
        traits=structs.replace(first.traits, families=families),
        conflicts=tuple(conflict for conflict in conflicts if conflict),
    )


def _differing(
    exporters: Sequence[Exporter], reason: str, name: str, value: Callable[[Export], Hashable]
) -> Conflict | None:
    oldest, first = exporters[0]
    others = [member for member, export in exporters if value(export) != value(first)]
    if not others:
        return None
    shown = f' "{value(first)}"' if name in _SHOWN else ""
    return Conflict(reason, f"Using {name}{shown} from oldest export in {oldest}. {_disagree(others, exporters)}")


def _port_conflict(exporters: Sequence[Exporter], left_out: Sequence[tuple[MemberName, Port]]) -> Conflict | None:
    oldest, first = exporters[0]
    others = [member for member, export in exporters if set(export.ports) != set(first.ports)]
    if not others:
        return None
    text = f"Using the union of ports, on a clash those of the oldest export, in {oldest}."
    lost = "".join(f" {_shown(port)} of {member} is left out." for member, port in left_out[:FEW])
    more = f" {len(left_out) - FEW} more are left out." if len(left_out) > FEW else ""
    return Conflict("PortConflict", f"{text}{lost}{more} {_disagree(others, exporters)}")


def _family_conflict(exporters: Sequence[Exporter], families: tuple[IpFamily, ...]) -> Conflict | None:
    """A family that reaches only part of the exporters (KEP-1645, Exporting)."""
    partial = [f for f in families if any(f not in export.traits.families for _, export in exporters)]
    if not partial:
        return None
    without = [m for m, export in exporters if any(f not in export.traits.families for f in partial)]
    text = f"{' and '.join(partial)} endpoints exist in part of the clusters only."
    return Conflict(
        "IPFamilyConflict", f"{text} {len(without)}/{len(exporters)} clusters are without: {_list(without)}."
    )


def _disagree(others: Sequence[MemberName], exporters: Sequence[Exporter]) -> str:
    return f"{len(others)}/{len(exporters)} clusters disagree: {_list(others)}."


def _list(members: Sequence[MemberName]) -> str:
    more = f" and {len(members) - FEW} more" if len(members) > FEW else ""
    return ", ".join(members[:FEW]) + more


def _united(exporters: Sequence[Exporter]) -> tuple[tuple[Port, ...], list[tuple[MemberName, Port]]]:
    """Union by name, then by (protocol, port): the first export that names either keeps it. What others mean by the
    name or the number is left out.
    """
    ports: list[Port] = []
    left_out = []
    for member, export in exporters:
        before = tuple(ports)
        for port in export.ports:
            if any(_clash(kept, port) and _key(kept) != _key(port) for kept in before):
                left_out.append((member, port))
            if not any(_clash(kept, port) for kept in before):
                ports.append(port)
    return tuple(ports), left_out


def usable_ports(export: Export, merged: Sequence[Port]) -> tuple[str, ...]:
    """The names of the merged ports that this export exposes under the same name and number."""
    own = {_key(port) for port in export.ports}
    return tuple(port.name for port in merged if _key(port) in own)


def _clash(one: Port, other: Port) -> bool:
    return one.name == other.name or _number(one) == _number(other)


def _key(port: Port) -> tuple[str, tuple[str, int]]:
    return (port.name, _number(port))


def _number(port: Port) -> tuple[str, int]:
    return (port.protocol, port.port)


def _shown(port: Port) -> str:
    return f"{port.name or 'the unnamed port'} {port.port}/{port.protocol}"
