"""One service: what we say of it to peers, and what our agents need to know of it. Pure; cost is that of one
service.
"""

from collections.abc import Mapping

from msgspec import Struct, structs

from federation.law.case import Case, Paths
from federation.model.flat import Image, seen_address
from federation.model.handout import Candidate, HeadlessSlice, Import, Listener, Offer, Pool, Steered
from federation.model.imported import ClusterObject, Said
from federation.model.local import LocalFacts
from federation.model.moves import Leaving, Shift
from federation.model.names import MemberName, ServiceKey
from federation.model.policy import Policy
from federation.model.public import GlobalName
from federation.model.record import (
    Export,
    Numbers,
    Port,
    PublicName,
    Resource,
    Slice,
    key_of,
)
from federation.model.wish import Wish, hint_of, in_force
from federation.plan.access import access_notes
from federation.plan.bounded import bounded, local_notes
from federation.plan.conditions import EXPORT, export_conditions, said
from federation.plan.exports import PROVISIONAL, Conflict, merge, usable_ports
from federation.plan.imports import Exporter, Nodes, cluster_objects, headless_slices
from federation.plan.programmed import with_program, words
from federation.plan.rooms import Demanding, measured, rooms_of
from federation.plan.steering import Bounds, Definition, Kept, followed, steered
from federation.plan.wished import (
    exporter_levels,
    said_of_access,
    said_of_names,
    said_of_policy,
    service_levels,
    wished,
)


class Offered(Struct, frozen=True, kw_only=True):
    """What one member exports of the service. `order` is the member's number in the ledger, `number` the one that the
    registrar gave this export (0: none yet): the lower is the older. `grant` is how many requests per second it takes
    from us (-1: it does not say).
    """

    member: MemberName
    region: str
    order: int
    cost: int
    export: Export
    slices: tuple[Slice, ...]
    number: int = 0
    leaving: Leaving | None = None
    labels: dict[str, str] = {}
    grant: int = -1


class ServiceInputs(Struct, frozen=True, kw_only=True):
    """Everything that the plan of one service depends on.

    `addresses` are its clusterset IPs where we give them ourselves, and `listeners` the node port of each service port,
    by name and number. `numbers` are those of all exports, which we say in our record when our member `registers`.
    `native`: the cluster is a Kubernetes API, which gives the addresses and holds the import; `nodes` are our node
    agents there. `member`: we are one still; `granted`: the ledger lets us export from the namespace. `names` are the
    public names that we define for it (by object), `definitions` those of anyone that are in force for it. `ingress`
    has each member's public addresses. `federation` is what the ledger asks of steering for all, `kept` what its last
    plan remembered; `now` in Unix milliseconds. `demand` is what our clients ask of it, in requests per second (0:
    unknown), `paths` what our agents know of the ways to others. `asks` is what other members would have us take,
    `importers` all that may. `shifts` are those that our clients obey, `own_shifts` those that we ask of everybody.
    `refused_by` is what our proxies refuse of the service, by node. `images`: how others see our local addresses.
    """

    own: MemberName
    region: str
    order: int
    local: LocalFacts
    peers: tuple[Offered, ...]
    addresses: tuple[str, ...]
    listeners: dict[str, int]
    bounds: Bounds = Bounds((), ())
    names: dict[str, GlobalName] = {}
    definitions: tuple[Definition, ...] = ()
    ingress: dict[MemberName, tuple[str, ...]] = {}
    refused_names: dict[str, str] = {}
    kept: Kept = Kept()
    now: int = 0
    numbers: Mapping[MemberName, int] = {}
    registers: bool = False
    leaving: Leaving | None = None
    shifts: tuple[Shift, ...] = ()
    own_shifts: tuple[Shift, ...] = ()
    labels: dict[str, str] = {}
    native: bool = False
    member: bool = True
    granted: bool = True
    federation: Wish = Wish()
    nodes: Nodes = ()
    demand: int = 0
    paths: Paths = {}
    asks: Mapping[MemberName, int] = {}
    importers: tuple[MemberName, ...] = ()
    refused_by: Mapping[str, str] = {}
    images: tuple[Image, ...] = ()


Told = Import | HeadlessSlice | Pool | Offer | Steered


class ServicePlan(Struct, frozen=True, kw_only=True):
    """`record` is what peers shall read, `handout` what agents shall read (by key), `cluster` what shall stand in our
    own cluster, `exporters` who exports the service, the oldest export first, `notes` what a person should know, `kept`
    what the next plan must remember of this one. `levels` says of each field of its policy that anyone set who did;
    `measured` that somebody's capacity is known, so that demand counts.
    """

    record: dict[str, Resource]
    handout: dict[str, Told]
    cluster: tuple[ClusterObject, ...] = ()
    exporters: tuple[MemberName, ...] = ()
    notes: tuple[str, ...] = ()
    kept: Kept = Kept()
    levels: dict[str, str] = {}
    measured: bool = False

    @property
    def exported(self) -> bool:
        """True when our record offers the service."""
        return any(isinstance(item, Export) for item in self.record.values())

    @property
    def offers(self) -> bool:
        """True when our record says anything of the service: that we offer it, or a public name of it."""
        return any(not isinstance(item, Numbers) for item in self.record.values())


def own_export(local: LocalFacts, said: Wish = Wish()) -> Export | None:  # noqa: B008
    """The export that our cluster makes of this service, or None (KEP-1645: no ServiceExport, no export), with what we
    say of how it is called.
    """
    if not local.exported or local.kind is None or local.kind == "ExternalName":
        return None
    return Export(service=local.key, kind=local.kind, ports=local.ports, traits=local.traits, hint=hint_of(said))


def wanted_listeners(local: LocalFacts, peers: tuple[Offered, ...]) -> tuple[str, ...]:
    """The service ports that need a node listener, as `name.number`."""
    export = own_export(local)
    ports = [port for offered in (export, *(peer.export for peer in peers)) if offered for port in offered.ports]
    return tuple(dict.fromkeys(port_mark(port) for port in ports))


def port_mark(port: Port) -> str:
    """How allocations name a port."""
    return f"{port.name}.{port.protocol}.{port.port}"


def plan_service(inputs: ServiceInputs) -> ServicePlan:
    """The plan of one service from its inputs."""
    local, left_out = bounded(inputs.local)
    asked = wished(local, inputs.kept, inputs.bounds)
    export = own_export(local, asked.here)
    offered = _ranked(inputs, export, local.slices)
    levels = asked.levels(inputs.federation)
    oldest = (exporter_levels(o.member, o.export, export is None) for o in offered[:1])
    consumed = in_force([*levels, *(level for said in oldest for level in said)])
    policy = consumed.policy
    fresh, made = _merged(inputs, offered, policy)
    names, targets = _names(inputs, fresh)
    rooms = rooms_of(_demanding(inputs, policy, made.candidates), export is not None)
    record: dict[str, Resource] = {key_of(item): item for item in map(PublicName, inputs.names.values())}
    record |= {key_of(item): item for item in rooms.said}
    handout: dict[str, Told] = {**made.handout, **names}
    if export is not None:
        said: tuple[Resource, ...] = (
            export,
            *(seen_slice(one, inputs.images) for one in local.slices),
            *inputs.own_shifts,
        )
        record |= {key_of(item): item for item in said}
        handout |= _own(export, local, in_force([*levels, *service_levels(export.traits)]).policy)
    if inputs.registers and inputs.numbers:
        numbers = Numbers(local.key, dict(inputs.numbers))
        record[key_of(numbers)] = numbers
    kept = Kept(
        wish=asked.service,
        namespace=asked.namespace if offered else Wish(),
        names=inputs.names,
        candidates=made.candidates,
        targets=targets,
        ranked=tuple(item.member for item in offered) if any(not item.number for item in offered) else (),
        addresses=made.addresses,
        left=(inputs.kept.left or inputs.now) if made.addresses and not offered else 0,
        wants=rooms.wants,
        grants=rooms.grants,
    )
    noted = [f"TrafficPolicy {local.key}: {asked.refused}"] if asked.refused else []
    return ServicePlan(
        record=record,
        handout=handout,
        cluster=with_program(
            (*made.objects, *_said(inputs, export, made.conflicts), *said_of_policy(local, asked, consumed.sources)),
            inputs.refused_by,
        )
        if inputs.native
        else (),
        exporters=tuple(item.member for item in offered),
        notes=(
            *local_notes(local),
            *(() if export is None else access_notes(local.key, export.ports, local.access, inputs.own)),
            *left_out,
            *noted,
            *([f"{local.key}: {words(inputs.refused_by)}"] if inputs.refused_by else []),
            *(f"{local.key}: {c.reason}: {c.message}" for c in made.conflicts),
        ),
        kept=kept,
        levels=consumed.sources,
        measured=measured(made.candidates, policy),
    )


def _ranked(inputs: ServiceInputs, export: Export | None, slices: tuple[Slice, ...]) -> list[Offered]:
    """Everyone who exports the service, the oldest export first. Those without a number keep the order they had."""
    offered = list(inputs.peers)
    if export is not None:
        own = Offered(
            member=inputs.own,
            region=inputs.region,
            order=inputs.order,
            cost=0,
            export=export,
            slices=slices,
            number=inputs.numbers.get(inputs.own, 0),
            leaving=inputs.leaving,
            labels=inputs.labels,
        )
        offered.append(own)
    before = {member: place for place, member in enumerate(inputs.kept.ranked)}
    last = len(before)
    return sorted(offered, key=lambda o: (o.number or PROVISIONAL, before.get(o.member, last), o.order, o.member))


class _Made(Struct, frozen=True):
    """What follows from the merged exports; nothing while nobody exports the service."""

    handout: dict[str, Told] = {}
    candidates: tuple[Candidate, ...] = ()
    conflicts: tuple[Conflict, ...] = ()
    objects: tuple[ClusterObject, ...] = ()
    addresses: tuple[str, ...] = ()


def _merged(inputs: ServiceInputs, offered: list[Offered], policy: Policy) -> tuple[tuple[Candidate, ...], _Made]:
    """The candidates as they are now, and what is made of the import."""
    if not offered:
        return (), _Made(addresses=_last_addresses(inputs))
    merged = merge([(item.member, item.export) for item in offered])
    fresh = tuple(_candidate(item, merged.ports) for item in sorted(offered, key=lambda o: (o.cost, o.member)))
    demand = inputs.demand if measured(fresh, policy) else 0
    candidates = followed(fresh, inputs.kept.candidates, policy, inputs.now, demand, inputs.own)
    given = inputs.local.addresses if inputs.native else inputs.addresses
    addresses = () if merged.kind == "Headless" else given or _last_addresses(inputs)
    imported = Import(
        service=inputs.local.key,
        kind=merged.kind,
        addresses=addresses,
        ports=_listeners(inputs, merged.ports),
        candidates=candidates,
        policy=policy,
        demand=demand,
        shifts=inputs.shifts,
    )
    exporters = [
        Exporter(member=o.member, slices=o.slices, ports=usable_ports(o.export, merged.ports)) for o in offered
    ]
    handout: dict[str, Told] = {f"import/{inputs.local.key}": imported, **headless_slices(imported, exporters)}
    objects: tuple[ClusterObject, ...] = ()
    if inputs.native:
        objects = cluster_objects(
            inputs.local.key, merged, exporters, imported.ports, addresses, bool(given), inputs.nodes
        )
    return fresh, _Made(handout, candidates, merged.conflicts, objects, addresses if inputs.native else ())


def _demanding(inputs: ServiceInputs, policy: Policy, candidates: tuple[Candidate, ...]) -> Demanding:
    return Demanding(
        service=inputs.local.key,
        own=inputs.own,
        demand=inputs.demand,
        case=Case(inputs.own, policy, inputs.paths, inputs.now, region=inputs.region),
        candidates=candidates,
        asks=inputs.asks,
        importers=inputs.importers,
        wants=inputs.kept.wants,
        grants=inputs.kept.grants,
    )


def _last_addresses(inputs: ServiceInputs) -> tuple[str, ...]:
    """The clusterset IPs that the cluster gave before."""
    return (inputs.local.addresses or inputs.kept.remembered(inputs.now)) if inputs.native else ()


def _said(inputs: ServiceInputs, export: Export | None, conflicts: tuple[Conflict, ...]) -> list[Said]:
    """What is said of the ServiceExport, GlobalNames and AccessPolicies in our cluster that are about this service."""
    local, found = inputs.local, []
    if local.exported or (EXPORT, local.key.name) in local.faults:
        conditions = export_conditions(
            local, inputs.member, inputs.granted, export is not None and not inputs.numbers.get(inputs.own), conflicts
        )
        found.append(said(local, EXPORT, local.key.name, conditions))
    names = said_of_names(local, inputs.names, inputs.refused_names)
    return [*found, *names, *said_of_access(local, inputs.bounds.members)]


def _names(
    inputs: ServiceInputs, fresh: tuple[Candidate, ...]
) -> tuple[dict[str, Steered], dict[str, tuple[Candidate, ...]]]:
    """The public names in force for the service, and how far each host's candidates are on their way back.

    A grant is room for our proxies. Clients of a public name come to each member's own door, as its own, from places
    of which each has its own costs.
    """
    handout: dict[str, Steered] = {}
    targets: dict[str, tuple[Candidate, ...]] = {}
    fresh = tuple(structs.replace(one, grant=-1, cost=0) for one in sorted(fresh, key=lambda one: one.member))
    for one in inputs.definitions:
        host = one.name.host
        targets[host] = followed(fresh, inputs.kept.targets.get(host, ()), one.name.policy, inputs.now)
        handout[f"steered/{host}/{one.name.service}"] = steered(one, targets[host], inputs.ingress)
    return handout, targets


def _own(export: Export, local: LocalFacts, policy: Policy) -> dict[str, Pool | Offer]:
    """What our agents must know of our own endpoints."""
    offer = Offer(export.service, export.ports, policy, local.access)
    handout: dict[str, Pool | Offer] = {f"offer/{export.service}": offer}
    for item in local.slices:
        pool = Pool(service=item.service, az=item.az, ports=item.ports, endpoints=item.endpoints)
        handout[key_of(item).replace("slice/", "pool/", 1)] = pool
    return handout


def seen_slice(item: Slice, images: tuple[Image, ...]) -> Slice:
    """The slice as others are told of it, by addresses at which they can reach it."""
    if not images:
        return item
    endpoints = tuple(structs.replace(one, address=seen_address(one.address, images)) for one in item.endpoints)
    return structs.replace(item, endpoints=endpoints)


def _listeners(inputs: ServiceInputs, ports: tuple[Port, ...]) -> tuple[Listener, ...]:
    return tuple(
        Listener(
            name=port.name,
            port=port.port,
            protocol=port.protocol,
            app_protocol=port.app_protocol,
            listener=inputs.listeners[port_mark(port)],
        )
        for port in ports
    )


def _candidate(item: Offered, ports: tuple[Port, ...]) -> Candidate:
    return Candidate(
        member=item.member,
        region=item.region,
        cost=item.cost,
        ready=sum(part.count("ready") for part in item.slices),
        total=sum(part.count("ready") + part.count("unready") for part in item.slices),
        ports=usable_ports(item.export, ports),
        leaving=item.leaving,
        capacity=item.export.hint.capacity or 0,
        grant=item.grant,
        labels=item.labels,
    )


def service_of(key: str) -> ServiceKey | None:
    """The service that a record key is about, or None (`export/...`, `slice/...` and `shift/...` keys are)."""
    parts = key.split("/")
    return ServiceKey(parts[1], parts[2]) if parts[0] in ("export", "slice", "shift") and len(parts) >= 3 else None
