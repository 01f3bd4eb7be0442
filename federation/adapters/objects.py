"""The Kubernetes objects that an adapter has seen, indexed by service. A change touches only the service it names."""

from collections.abc import Iterable

from federation.model import policy as model
from federation.model.local import LocalFacts
from federation.model.names import ServiceKey
from federation.model.policy import Policy
from federation.wire.k8s.translate import LocalService, global_name, local_service, local_slices, policy_of, slice_owner
from federation.wire.k8s.types import EndpointSlice, GlobalName, K8sObject, Service, ServiceExport, TrafficPolicy

ObjectKey = tuple[str, str, str]


def object_key(value: K8sObject) -> ObjectKey:
    """(kind, namespace, name)."""
    return (value.kind, value.metadata.namespace, value.metadata.name)


class Objects:
    """Mutable index owned by one adapter."""

    def __init__(self, default_az: str) -> None:
        """`default_az` stands for endpoints that name no zone."""
        self._default_az = default_az
        self._services: dict[ServiceKey, LocalService] = {}
        self._exports: set[ServiceKey] = set()
        self._slices: dict[ServiceKey, dict[ObjectKey, EndpointSlice]] = {}
        self._policies: dict[ServiceKey, Policy] = {}
        self._names: dict[ServiceKey, dict[str, model.GlobalName]] = {}
        self._all: dict[ObjectKey, K8sObject] = {}

    def keys(self, kind: str) -> set[ObjectKey]:
        """The keys of every object of this kind."""
        return {key for key in self._all if key[0] == kind}

    def get(self, key: ObjectKey) -> K8sObject | None:
        """The object, or None."""
        return self._all.get(key)

    def put(self, value: K8sObject) -> set[ServiceKey]:
        """Take this object; the services that it changes."""
        key = object_key(value)
        old = self._all.get(key)
        if old == value:
            return set()
        changed = self.drop(key)
        self._all[key] = value
        name = ServiceKey(value.metadata.namespace, value.metadata.name)
        match value:
            case Service():
                self._services[name] = local_service(value)
                return changed | {name}
            case ServiceExport():
                self._exports.add(name)
                return changed | {name}
            case EndpointSlice():
                return changed | self._put_slice(key, value)
            case TrafficPolicy():
                self._policies[name] = policy_of(value.spec)
                return changed | {name}
            case GlobalName():
                made = global_name(value)
                self._names.setdefault(made.service, {})[name.name] = made
                return changed | {made.service}

    def drop(self, key: ObjectKey) -> set[ServiceKey]:
        """Forget this object; the services that it changes."""
        old = self._all.pop(key, None)
        if old is None:
            return set()
        name = ServiceKey(key[1], key[2])
        if isinstance(old, Service):
            self._services.pop(name, None)
        elif isinstance(old, ServiceExport):
            self._exports.discard(name)
        elif isinstance(old, TrafficPolicy):
            self._policies.pop(name, None)
        elif isinstance(old, GlobalName):
            return self._drop_name(name.name, global_name(old).service)
        else:
            return self._drop_slice(key, old)
        return {name}

    def services(self) -> Iterable[ServiceKey]:
        """Every service that any object names."""
        return {*self._services, *self._exports, *self._slices, *self._policies, *self._names}

    def service(self, key: ServiceKey) -> LocalFacts:
        """What the objects say of this service."""
        service = self._services.get(key)
        slices = local_slices(key, self._slices.get(key, {}).values(), self._default_az)
        return LocalFacts(
            key=key,
            kind=service.kind if service else None,
            ports=service.ports if service else (),
            session_affinity=service.session_affinity if service else "None",
            slices=slices,
            exported=key in self._exports,
            policy=self._policies.get(key),
            names=dict(sorted(self._names.get(key, {}).items())),
        )

    def _put_slice(self, key: ObjectKey, value: EndpointSlice) -> set[ServiceKey]:
        owner = slice_owner(value)
        if owner is None:
            return set()
        self._slices.setdefault(owner, {})[key] = value
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
