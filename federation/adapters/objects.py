"""The Kubernetes objects that an adapter has seen, indexed by service. A change touches only the service it names."""

from collections.abc import Iterable, Mapping

from federation.adapters.outside import Outsides
from federation.adapters.pods import Pods
from federation.adapters.policies import Policies, spoken_by, whole
from federation.model import public
from federation.model.cidr import is_network
from federation.model.confine import Confined
from federation.model.handout import Workload
from federation.model.local import Drained, LocalFacts, Outside
from federation.model.names import ServiceKey
from federation.model.record import Traits
from federation.ports import Wake
from federation.wire.k8s.egress import confined
from federation.wire.k8s.translate import (
    LocalService,
    derived_from,
    drained,
    exported_traits,
    global_name,
    local_service,
    local_slices,
    slice_owner,
    zone_label,
)
from federation.wire.k8s.types import (
    AccessPolicy,
    Drain,
    EgressPolicy,
    EndpointSlice,
    GlobalName,
    K8sObject,
    Node,
    Pod,
    Service,
    ServiceExport,
    TrafficPolicy,
)

ObjectKey = tuple[str, str, str]
REGION_LABEL, ZONE_LABEL = "topology.kubernetes.io/region", "topology.kubernetes.io/zone"


def object_key(value: K8sObject | Node | Pod) -> ObjectKey:
    """(kind, namespace, name); the namespace of what is cluster-wide is ""."""
    namespace = "" if isinstance(value, Drain | Node) else value.metadata.namespace
    return (value.kind, namespace, value.metadata.name)


class OverObjects:
    """What an adapter says of its cluster where it keeps the objects that it saw."""

    def __init__(self, default_az: str) -> None:
        """`default_az` stands for endpoints that name no zone."""
        self._objects = Objects(default_az)

    @property
    def drains(self) -> Mapping[str, Drained] | None:
        """Every Drain, by its name; None while they were not read once."""
        return self._objects.drains

    @property
    def confined(self) -> Mapping[str, Confined]:
        """Every EgressPolicy, by `namespace/name`: another mapping after each change."""
        return self._objects.confined

    def refused(self, kind: str) -> dict[tuple[str, str], tuple[str, int]]:
        """What is wrong with objects of this kind, and as of which generation, by (namespace, name)."""
        return self._objects.refused(kind)

    def generation(self, key: ObjectKey) -> int:
        """That of the object whose content counts; 0 when there is none."""
        return self._objects.generation(key)

    @property
    def regions(self) -> frozenset[str]:
        """The regions that the labels of nodes name."""
        return self._objects.regions

    def services(self) -> Iterable[ServiceKey]:
        """Every service that any object names."""
        return self._objects.services()

    def service(self, key: ServiceKey) -> LocalFacts:
        """What the objects say of this service."""
        return self._objects.service(key)

    def zone(self, node: str) -> str:
        """What the node's label says of its availability zone, as a DNS label."""
        return self._objects.zone(node)

    def outside(self, node: str) -> Outside:
        """What the node and Services in front of it say of where it is reached from outside."""
        return self._objects.outsides.of(node)

    def pod_ranges(self, node: str) -> tuple[str, ...]:
        """What the node's spec says of its pods."""
        return self._objects.pod_ranges(node)

    def workloads(self, node: str) -> tuple[Workload, ...]:
        """The workloads whose pods run on this node."""
        return self._objects.pods.workloads(node)

    def take_moved_nodes(self) -> set[str]:
        """The nodes of whose pods or zone anything changed since the last look."""
        return self._objects.take_moved_nodes()

    def _tell(self, changed: Iterable[ServiceKey], wake: Wake) -> None:
        """Wake for these services, and for all where something changed that concerns every one."""
        for service in changed:
            wake(service)
        if self._objects.take_whole():
            wake(None)


class Objects:
    """Mutable index owned by one adapter."""

    def __init__(self, default_az: str) -> None:
        """`default_az` stands for endpoints that name no zone."""
        self._default_az = default_az
        self._services: dict[ServiceKey, LocalService] = {}
        self._derived: dict[ServiceKey, tuple[str, ...]] = {}
        self._exports: dict[ServiceKey, ServiceExport] = {}
        self._slices: dict[ServiceKey, dict[ObjectKey, EndpointSlice]] = {}
        self._policies = Policies()
        self._names: dict[ServiceKey, dict[str, public.GlobalName]] = {}
        self._all: dict[ObjectKey, K8sObject] = {}
        self._faults: dict[ServiceKey, dict[tuple[str, str], str]] = {}
        self.drains: dict[str, Drained] = {}
        self.confined: dict[str, Confined] = {}
        self.pods = Pods()
        self.outsides = Outsides()
        self.nodes: set[str] = set()
        self._zones: dict[str, str] = {}
        self._regions: dict[str, str] = {}
        self._ranges: dict[str, tuple[str, ...]] = {}
        self._zoneless: dict[str, set[ServiceKey]] = {}
        self._rezoned: set[str] = set()
        self._whole = False
        self._faulty: dict[ObjectKey, tuple[ServiceKey, str, int]] = {}

    @property
    def regions(self) -> frozenset[str]:
        """Those that the labels of nodes name."""
        return frozenset(self._regions.values())

    def zone(self, node: str) -> str:
        """What the node's label says of its availability zone, as a DNS label; "" when it says nothing."""
        return zone_label(self._zones.get(node))

    def pod_ranges(self, node: str) -> tuple[str, ...]:
        """The ranges of this node's pods; none where nobody says."""
        return self._ranges.get(node, ())

    def take_moved_nodes(self) -> set[str]:
        """The nodes of whose pods, zone or outside anything changed since the last look."""
        moved, self._rezoned = self._rezoned | self.outsides.moved, set()
        self.outsides.moved = set()
        return moved | self.pods.take_moved()

    def keys(self, kind: str) -> set[ObjectKey]:
        """The keys of every object of this kind."""
        return {key for key in self._all if key[0] == kind}

    def get(self, key: ObjectKey) -> K8sObject | None:
        """The object, or None."""
        return self._all.get(key)

    def put(self, value: K8sObject | Node | Pod) -> set[ServiceKey]:
        """Take this object; the services that it changes."""
        key = object_key(value)
        if isinstance(value, Pod):
            self.pods.put(value)
            return set()
        if isinstance(value, Node):
            self.nodes.add(value.metadata.name)
            self.outsides.put_node(value.metadata.name, value.status)
            self._put_ranges(value.metadata.name, value.spec.pod_cidrs)
            return self._put_node(value.metadata.name, value.metadata.labels)
        old = self._all.get(key)
        if old == value:
            return set()
        changed = self.drop(key)
        self._all[key] = value
        name = ServiceKey(value.metadata.namespace, value.metadata.name)
        match value:
            case Service():
                self.outsides.put_service(name, value)
                return changed | {self._put_service(name, value)}
            case ServiceExport():
                self._exports[name] = value
                return changed | {name}
            case EndpointSlice():
                return changed | self._put_slice(key, value)
            case TrafficPolicy() | AccessPolicy():
                return changed | self._policies.put(value)
            case EgressPolicy() | Drain():
                return changed | self._put_of_no_service(name, value)
            case GlobalName():
                made = global_name(value)
                self._names.setdefault(made.service, {})[name.name] = made
                return changed | {made.service}

    def _put_of_no_service(self, name: ServiceKey, value: EgressPolicy | Drain) -> set[ServiceKey]:
        if isinstance(value, EgressPolicy):
            self.confined = self.confined | {str(name): confined(name.namespace, name.name, value.spec)}
            return {whole(name.namespace)}
        self.drains[name.name] = drained(value)
        self._whole = True
        return set()

    def drop(self, key: ObjectKey) -> set[ServiceKey]:
        """Forget this object; the services that it changes."""
        if key[0] == "Pod":
            self.pods.drop((key[1], key[2]))
            return set()
        if key[0] == "Node":
            self.nodes.discard(key[2])
            self.outsides.put_node(key[2], None)
            self._put_ranges(key[2], ())
            return self._put_node(key[2], {})
        old = self._all.pop(key, None)
        if old is None:
            return set()
        name = ServiceKey(key[1], key[2])
        if isinstance(old, Service):
            self.outsides.put_service(name, None)
            return {self._drop_service(name, old)}
        if isinstance(old, ServiceExport):
            self._exports.pop(name, None)
        elif isinstance(old, TrafficPolicy | AccessPolicy):
            return self._policies.drop(old)
        elif isinstance(old, EgressPolicy):
            self.confined = {key: one for key, one in self.confined.items() if key != str(name)}
            return {whole(name.namespace)}
        elif isinstance(old, Drain):
            del self.drains[key[2]]
            self._whole = True
            return set()
        elif isinstance(old, GlobalName):
            return self._drop_name(name.name, global_name(old).service)
        else:
            return self._drop_slice(key, old)
        return {name}

    def refused(self, kind: str) -> dict[tuple[str, str], tuple[str, int]]:
        """What is wrong with objects of this kind, and as of which generation, by (namespace, name)."""
        return {key[1:]: fault[1:] for key, fault in self._faulty.items() if key[0] == kind}

    def generation(self, key: ObjectKey) -> int:
        """That of the object whose content counts; 0 when there is none."""
        held = self._all.get(key)
        return 0 if held is None else held.metadata.generation

    def take_whole(self) -> bool:
        """True when, since the last look, something changed that concerns every service."""
        whole, self._whole = self._whole, False
        return whole

    def services(self) -> Iterable[ServiceKey]:
        """Every service that any object names."""
        policies = self._policies.services()
        return {*self._services, *self._exports, *self._slices, *policies, *self._names, *self._faults}

    def service(self, key: ServiceKey) -> LocalFacts:
        """What the objects say of this service."""
        service = self._services.get(key)
        slices = local_slices(key, self._slices.get(key, {}).values(), self._default_az, self._zones)
        export = self._exports.get(key)
        traits = service.traits if service else Traits()
        return LocalFacts(
            key=key,
            kind=service.kind if service else None,
            ports=service.ports if service else (),
            traits=exported_traits(traits, export) if export else traits,
            slices=slices,
            exported=export is not None,
            policy=self._policies.wish(key),
            namespace_policy=self._policies.namespace_wish(key.namespace),
            fallbacks=self._policies.fallbacks(key),
            conflict=self._policies.conflict(key),
            access=self._policies.access(key),
            admits=self._policies.admits(key),
            names=dict(sorted(self._names.get(key, {}).items())),
            addresses=self._derived.get(key, ()),
            faults=dict(self._faults.get(key, {})),
            generations=self._generations(key),
        )

    def fault(self, key: ObjectKey, about: ServiceKey, text: str | None, generation: int = 0) -> set[ServiceKey]:
        """This object about that service is not understood as of this generation (None: it is); the services that this
        changes. One whose last good state stands stays about the service of that one.
        """
        standing = self._all.get(key)
        if isinstance(standing, GlobalName):
            about = global_name(standing).service
        elif isinstance(standing, AccessPolicy):
            about = spoken_by(standing)
        before = self._faulty.pop(key, None)
        if before is not None:
            held = self._faults[before[0]]
            del held[(key[0], key[2])]
            if not held:
                del self._faults[before[0]]
        if text is not None:
            self._faulty[key] = (about, text, generation)
            self._faults.setdefault(about, {})[(key[0], key[2])] = text
        after = self._faulty.get(key)
        return set() if before == after else {found[0] for found in (before, after) if found}

    def _generations(self, key: ServiceKey) -> dict[tuple[str, str], int]:
        """Those of the objects about this service that have a status; of one that is refused, as it is now."""
        names = [("ServiceExport", key.name), ("TrafficPolicy", key.name)]
        names += [("GlobalName", name) for name in self._names.get(key, {})]
        names += [("AccessPolicy", name) for name in self._policies.admits(key)]
        found = {one: self._all.get((one[0], key.namespace, one[1])) for one in names}
        refused = {one: self._faulty[(one[0], key.namespace, one[1])][2] for one in self._faults.get(key, {})}
        return {one: value.metadata.generation for one, value in found.items() if value is not None} | refused

    def _put_ranges(self, name: str, said: tuple[str, ...]) -> None:
        ranges = tuple(filter(is_network, said))
        if self._ranges.get(name, ()) != ranges:
            self._ranges[name] = ranges
            self._rezoned.add(name)

    def _put_node(self, name: str, labels: Mapping[str, str]) -> set[ServiceKey]:
        """The services of whose endpoints the node tells the zone, where it tells another one."""
        for label, held in ((REGION_LABEL, self._regions), (ZONE_LABEL, self._zones)):
            old, new = held.pop(name, None), labels.get(label)
            if new:
                held[name] = new
            if label == ZONE_LABEL and new != old:
                self._rezoned.add(name)
                return set(self._zoneless.get(name, ()))
        return set()

    def _put_service(self, name: ServiceKey, value: Service) -> ServiceKey:
        imported = derived_from(value)
        if imported is None:
            self._services[name] = local_service(value)
            return name
        self._derived[imported] = tuple(a for a in value.spec.cluster_ips if a != "None")
        return imported

    def _drop_service(self, name: ServiceKey, old: Service) -> ServiceKey:
        imported = derived_from(old)
        if imported is None:
            self._services.pop(name, None)
            return name
        self._derived.pop(imported, None)
        return imported

    def _put_slice(self, key: ObjectKey, value: EndpointSlice) -> set[ServiceKey]:
        owner = slice_owner(value)
        if owner is None:
            return set()
        self._slices.setdefault(owner, {})[key] = value
        for endpoint in value.endpoints or ():
            if endpoint.node_name and not endpoint.zone:
                self._zoneless.setdefault(endpoint.node_name, set()).add(owner)
        return {owner}

    def _drop_slice(self, key: ObjectKey, old: EndpointSlice) -> set[ServiceKey]:
        owner = slice_owner(old)
        if owner is None:
            return set()
        held = self._slices.get(owner, {})
        held.pop(key, None)
        if not held:
            self._slices.pop(owner, None)
        return {owner}

    def _drop_name(self, name: str, service: ServiceKey) -> set[ServiceKey]:
        held = self._names.get(service, {})
        held.pop(name, None)
        if not held:
            self._names.pop(service, None)
        return {service}
