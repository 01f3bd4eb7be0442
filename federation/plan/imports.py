"""What stands in our own cluster for one service: ServiceImport, derived Service, EndpointSlices, conditions. Pure.

A slice of many endpoints is cut into buckets by the hash of the address, so that one endpoint more or less changes one
EndpointSlice.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from hashlib import sha256
from typing import TypeVar

from msgspec import Struct

from federation.model.handout import HeadlessSlice, Import, Listener
from federation.model.imported import (
    ClusterObject,
    DerivedService,
    ImportObject,
    ListenerSlice,
    Placed,
    SourceSlice,
)
from federation.model.names import MemberName, ServiceKey
from federation.model.record import IpFamily, Port, Slice, family_of, ports_mark
from federation.plan.conditions import import_conditions
from federation.plan.exports import Merged

BUCKET = 100
"""Endpoints of one EndpointSlice, on average: what the Kubernetes controller fills them with; their limit is 1,000."""

T = TypeVar("T")
Nodes = tuple[tuple[str, str], ...]
"""(node, address) of the node agents whose proxies take what is sent to a clusterset IP."""


class Exporter(Struct, frozen=True, kw_only=True):
    """One member's part of an import: its endpoints, and which of the import's ports it exposes (by name)."""

    member: MemberName
    slices: tuple[Slice, ...]
    ports: tuple[str, ...]


def cluster_objects(
    service: ServiceKey,
    merged: Merged,
    exporters: Sequence[Exporter],
    listeners: tuple[Listener, ...],
    addresses: tuple[str, ...],
    given: bool,
    nodes: Nodes,
) -> tuple[ClusterObject, ...]:
    """The objects of an import. `addresses` are its clusterset IPs; without `given` they are those that it had before,
    and the cluster is asked for them again.
    """
    headless = merged.kind == "Headless"
    now = () if headless or not given else addresses
    found: list[ClusterObject] = [
        ImportObject(
            service=service,
            kind=merged.kind,
            addresses=now,
            families=merged.traits.families if headless else tuple(family_of(address) for address in now),
            ports=merged.ports,
            traits=merged.traits,
            clusters=tuple(sorted(exporter.member for exporter in exporters)),
            conditions=import_conditions(headless or bool(now)),
        )
    ]
    if not headless:
        found += _derived(service, merged, listeners, () if given else addresses, nodes)
    for exporter in exporters:
        found += _source_slices(service, exporter)
    return tuple(found)


def _derived(
    service: ServiceKey, merged: Merged, listeners: tuple[Listener, ...], again: tuple[str, ...], nodes: Nodes
) -> list[ClusterObject]:
    by_family: dict[IpFamily, list[tuple[str, str]]] = {}
    for node, address in nodes:
        by_family.setdefault(family_of(address), []).append((node, address))
    dual = len(merged.traits.families) == 2 and (not nodes or len(by_family) == 2)
    made: list[ClusterObject] = [
        DerivedService(service=service, ports=listeners, traits=merged.traits, dual_stack=dual, again=again)
    ]
    for family, found in sorted(by_family.items()):
        for bucket, part in _buckets(found, lambda one: one[1]):
            made.append(
                ListenerSlice(service=service, family=family, ports=listeners, nodes=tuple(part), bucket=bucket)
            )
    return made


def _source_slices(service: ServiceKey, exporter: Exporter) -> Iterable[SourceSlice]:
    """Endpoints of one exporter by family and ports; ports that the import does not have from it are left out."""
    grouped: dict[tuple[IpFamily, tuple[Port, ...]], dict[str, Placed]] = {}
    for part in exporter.slices:
        ports = tuple(port for port in part.ports if port.name in exporter.ports)
        for endpoint in part.endpoints:
            group = grouped.setdefault((family_of(endpoint.address), ports), {})
            group[endpoint.address] = Placed(endpoint.address, endpoint.state, endpoint.hostname, part.az)
    for (family, ports), group in sorted(grouped.items()):
        for bucket, placed in _buckets(sorted(group.values()), lambda one: one.address):
            yield SourceSlice(
                service=service,
                source=exporter.member,
                family=family,
                ports=ports,
                endpoints=tuple(placed),
                bucket=bucket,
            )


def _buckets(items: Sequence[T], address: Callable[[T], str]) -> Iterator[tuple[int, list[T]]]:
    """The items in as many parts as they need, a power of two, each in the one that its address says."""
    count = 1
    while len(items) > count * BUCKET:
        count *= 2
    parts: dict[int, list[T]] = {}
    for item in items:
        number = int.from_bytes(sha256(address(item).encode()).digest()[:4], "big") % count
        parts.setdefault(number, []).append(item)
    yield from sorted(parts.items(), key=lambda part: part[0])


def headless_slices(item: Import, exporters: Sequence[Exporter]) -> dict[str, HeadlessSlice]:
    """What DNS servers answer a headless import from, by handout key."""
    if item.kind != "Headless":
        return {}
    return {
        f"headless/{item.service}/{exporter.member}/{part.az}/{ports_mark(part)}": HeadlessSlice(
            service=item.service,
            member=exporter.member,
            az=part.az,
            ports=tuple(port for port in part.ports if port.name in exporter.ports),
            endpoints=part.endpoints,
        )
        for exporter in exporters
        for part in exporter.slices
    }
