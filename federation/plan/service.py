"""One service: what we say of it to peers, and what our agents need to know of it. Pure; cost is that of one
service.
"""

from msgspec import Struct

from federation.model.handout import Candidate, Import, Listener, Offer, Pool
from federation.model.local import LocalFacts
from federation.model.names import MemberName, ServiceKey
from federation.model.record import Export, Port, Resource, Slice, key_of
from federation.plan.exports import merge_ports, usable_ports


class Offered(Struct, frozen=True, kw_only=True):
    """What one member exports of the service. `order` is its admission number: the lower wins a conflict."""

    member: MemberName
    region: str
    order: int
    cost: int
    export: Export
    slices: tuple[Slice, ...]


class ServiceInputs(Struct, frozen=True, kw_only=True):
    """Everything that the plan of one service depends on.

    `address` is its clusterset IP and `listeners` the node port of each service port, by name and number.
    """

    own: MemberName
    region: str
    order: int
    local: LocalFacts
    peers: tuple[Offered, ...]
    address: str
    listeners: dict[str, int]


class ServicePlan(Struct, frozen=True, kw_only=True):
    """`record` is what peers shall read, `handout` what agents shall read (by key), `notes` what a person should
    know.
    """

    record: dict[str, Resource]
    handout: dict[str, Import | Pool | Offer]
    notes: tuple[str, ...] = ()


def own_export(local: LocalFacts) -> Export | None:
    """The export that our cluster makes of this service, or None (KEP-1645: no ServiceExport, no export)."""
    if not local.exported or local.kind is None or local.kind == "ExternalName":
        return None
    return Export(service=local.key, kind=local.kind, ports=local.ports, session_affinity=local.session_affinity)


def wanted_listeners(local: LocalFacts, peers: tuple[Offered, ...]) -> tuple[str, ...]:
    """The service ports that need a node listener, as `name.number`."""
    export = own_export(local)
    ports = merge_ports([*([export] if export else []), *(peer.export for peer in peers)]).ports
    return tuple(port_mark(port) for port in ports)


def port_mark(port: Port) -> str:
    """How allocations name a port."""
    return f"{port.name}.{port.protocol}.{port.port}"


def plan_service(inputs: ServiceInputs) -> ServicePlan:
    """The plan of one service from its inputs."""
    export = own_export(inputs.local)
    offered = list(inputs.peers)
    if export is not None:
        own = Offered(
            member=inputs.own,
            region=inputs.region,
            order=inputs.order,
            cost=0,
            export=export,
            slices=inputs.local.slices,
        )
        offered.append(own)
    notes = list(_local_notes(inputs.local))
    if not offered:
        return ServicePlan(record={}, handout={}, notes=tuple(notes))
    offered.sort(key=lambda item: (item.order, item.member))
    merged = merge_ports([item.export for item in offered])
    notes.extend(merged.conflicts)
    handout: dict[str, Import | Pool | Offer] = {f"import/{inputs.local.key}": _import(inputs, offered, merged.ports)}
    record: dict[str, Resource] = {}
    if export is not None:
        handout[f"offer/{export.service}"] = Offer(export.service, export.ports)
        record[key_of(export)] = export
        for item in inputs.local.slices:
            record[key_of(item)] = item
            pool = Pool(service=item.service, az=item.az, ports=item.ports, endpoints=item.endpoints)
            handout[key_of(item).replace("slice/", "pool/", 1)] = pool
    return ServicePlan(record=record, handout=handout, notes=tuple(notes))


def _import(inputs: ServiceInputs, offered: list[Offered], ports: tuple[Port, ...]) -> Import:
    kind = offered[0].export.kind
    listeners = tuple(
        Listener(
            name=port.name,
            port=port.port,
            protocol=port.protocol,
            app_protocol=port.app_protocol,
            listener=inputs.listeners[port_mark(port)],
        )
        for port in ports
    )
    return Import(
        service=inputs.local.key,
        kind=kind,
        address=inputs.address if kind == "ClusterSetIP" else "",
        ports=listeners,
        candidates=tuple(_candidate(item, ports) for item in sorted(offered, key=lambda o: (o.cost, o.member))),
    )


def _candidate(item: Offered, ports: tuple[Port, ...]) -> Candidate:
    return Candidate(
        member=item.member,
        region=item.region,
        cost=item.cost,
        ready=sum(part.count("ready") for part in item.slices),
        total=sum(part.count("ready") + part.count("unready") for part in item.slices),
        ports=usable_ports(item.export, ports),
    )


def _local_notes(local: LocalFacts) -> tuple[str, ...]:
    if local.exported and local.kind is None:
        return (f"ServiceExport {local.key}: Valid=False/NoService: there is no Service of this name",)
    if local.exported and local.kind == "ExternalName":
        return (f"ServiceExport {local.key}: Valid=False/InvalidServiceType: ExternalName cannot be exported",)
    return ()


def service_of(key: str) -> ServiceKey | None:
    """The service that a record key is about, or None (`export/...` and `slice/...` keys are about services)."""
    parts = key.split("/")
    return ServiceKey(parts[1], parts[2]) if parts[0] in ("export", "slice") and len(parts) >= 3 else None
