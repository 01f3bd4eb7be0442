"""One service: what we say of it to peers, and what our agents need to know of it. Pure; cost is that of one
service.
"""

from msgspec import Struct, structs

from federation.model.handout import Candidate, Import, Listener, Offer, Pool, Steered
from federation.model.local import LocalFacts
from federation.model.names import MemberName, ServiceKey
from federation.model.policy import GlobalName, Policy, Probe
from federation.model.record import SLICE_ENDPOINTS_MAX, Export, Port, PublicName, Resource, Slice, key_of, with_unready
from federation.plan.exports import merge_ports, usable_ports
from federation.plan.steering import Bounds, Definition, Kept, accept_policy, followed, steered


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

    `address` is its clusterset IP and `listeners` the node port of each service port, by name and number. `names` are
    the public names that we define for it (by object), `definitions` those of anyone that are in force for it.
    `ingress` has each member's public addresses. `kept` is what its last plan remembered; `now` in Unix milliseconds.
    """

    own: MemberName
    region: str
    order: int
    local: LocalFacts
    peers: tuple[Offered, ...]
    address: str
    listeners: dict[str, int]
    bounds: Bounds = Bounds((), ())
    names: dict[str, GlobalName] = {}
    definitions: tuple[Definition, ...] = ()
    ingress: dict[MemberName, tuple[str, ...]] = {}
    kept: Kept = Kept()
    now: int = 0


class ServicePlan(Struct, frozen=True, kw_only=True):
    """`record` is what peers shall read, `handout` what agents shall read (by key), `notes` what a person should
    know, `kept` what the next plan must remember of this one.
    """

    record: dict[str, Resource]
    handout: dict[str, Import | Pool | Offer | Steered]
    notes: tuple[str, ...] = ()
    kept: Kept = Kept()

    @property
    def exported(self) -> bool:
        """True when our record offers the service."""
        return any(isinstance(item, Export) for item in self.record.values())

    @property
    def offers(self) -> bool:
        """True when our record says anything of the service: that we offer it, or a public name of it."""
        return bool(self.record)


def own_export(local: LocalFacts) -> Export | None:
    """The export that our cluster makes of this service, or None (KEP-1645: no ServiceExport, no export)."""
    if not local.exported or local.kind is None or local.kind == "ExternalName":
        return None
    return Export(service=local.key, kind=local.kind, ports=local.ports, session_affinity=local.session_affinity)


def without_failing(local: LocalFacts, addresses: frozenset[str]) -> LocalFacts:
    """The facts with these endpoints unready: our own agents' probes fail there."""
    if not addresses:
        return local
    slices = (
        structs.replace(part, endpoints=tuple(sorted(with_unready(part.endpoints, addresses)))) for part in local.slices
    )
    return structs.replace(local, slices=tuple(slices))


def bounded(local: LocalFacts) -> tuple[LocalFacts, tuple[str, ...]]:
    """The facts with no slice beyond SLICE_ENDPOINTS_MAX endpoints, and one line for each that was cut."""
    wide = [part for part in local.slices if len(part.endpoints) > SLICE_ENDPOINTS_MAX]
    if not wide:
        return local, ()
    slices = tuple(structs.replace(part, endpoints=part.endpoints[:SLICE_ENDPOINTS_MAX]) for part in local.slices)
    return structs.replace(local, slices=slices), tuple(
        f"Service {local.key}: {len(part.endpoints)} endpoints in zone {part.az}, limit {SLICE_ENDPOINTS_MAX}; "
        "the rest is left out: spread them over zones or services"
        for part in wide
    )


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
    local, left_out = bounded(inputs.local)
    export = own_export(local)
    offered = list(inputs.peers)
    if export is not None:
        own = Offered(
            member=inputs.own,
            region=inputs.region,
            order=inputs.order,
            cost=0,
            export=export,
            slices=local.slices,
        )
        offered.append(own)
    policy, refused = accept_policy(local.key, local.policy, inputs.kept, inputs.bounds)
    notes = [*_local_notes(local), *left_out, *refused]
    offered.sort(key=lambda item: (item.order, item.member))
    merged = merge_ports([item.export for item in offered])
    fresh = tuple(_candidate(item, merged.ports) for item in sorted(offered, key=lambda o: (o.cost, o.member)))
    candidates = followed(fresh, inputs.kept.candidates, policy, inputs.now)
    handout: dict[str, Import | Pool | Offer | Steered] = {}
    if offered:
        handout[f"import/{local.key}"] = _import(inputs, offered, merged.ports, candidates, policy)
    names, targets = _names(inputs, fresh)
    record: dict[str, Resource] = {key_of(item): item for item in map(PublicName, inputs.names.values())}
    if export is not None:
        said: tuple[Resource, ...] = (export, *local.slices)
        record |= {key_of(item): item for item in said}
        handout |= _own(export, local.slices, policy.probe)
    kept = Kept(policy=policy, names=inputs.names, candidates=candidates, targets=targets)
    return ServicePlan(record=record, handout=handout | names, notes=(*notes, *merged.conflicts), kept=kept)


def _names(
    inputs: ServiceInputs, fresh: tuple[Candidate, ...]
) -> tuple[dict[str, Steered], dict[str, tuple[Candidate, ...]]]:
    """The public names in force for the service, and how far each host's candidates are on their way back."""
    handout: dict[str, Steered] = {}
    targets: dict[str, tuple[Candidate, ...]] = {}
    for one in inputs.definitions:
        host = one.name.host
        targets[host] = followed(fresh, inputs.kept.targets.get(host, ()), one.name.policy, inputs.now)
        handout[f"steered/{host}/{one.name.service}"] = steered(one, targets[host], inputs.ingress)
    return handout, targets


def _own(export: Export, slices: tuple[Slice, ...], probe: Probe | None) -> dict[str, Pool | Offer]:
    """What our agents must know of our own endpoints."""
    handout: dict[str, Pool | Offer] = {f"offer/{export.service}": Offer(export.service, export.ports, probe)}
    for item in slices:
        pool = Pool(service=item.service, az=item.az, ports=item.ports, endpoints=item.endpoints)
        handout[key_of(item).replace("slice/", "pool/", 1)] = pool
    return handout


def _import(
    inputs: ServiceInputs,
    offered: list[Offered],
    ports: tuple[Port, ...],
    candidates: tuple[Candidate, ...],
    policy: Policy,
) -> Import:
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
        candidates=candidates,
        policy=policy,
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
