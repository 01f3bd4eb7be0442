"""The Kubernetes objects that an adapter has seen, indexed by service. A change touches only the service it names."""

from collections.abc import Iterable

from federation.model.local import LocalFacts
from federation.model.names import ServiceKey
from federation.wire.k8s.translate import LocalService, local_service, local_slices, slice_owner
from federation.wire.k8s.types import EndpointSlice, K8sObject, Service, ServiceExport

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
        else:
            return self._drop_slice(key, old)
        return {name}

    def services(self) -> Iterable[ServiceKey]:
        """Every service that any object names."""
        return {*self._services, *self._exports, *self._slices}

    def service(self, key: ServiceKey) -> LocalFacts:
        """What the objects say of this service."""
        service = self._services.get(key)
        slices = local_slices(key, self._slices.get(key, {}).values(), self._default_az)
        exported = key in self._exports
        if service is None:
            return LocalFacts(key=key, slices=slices, exported=exported)
        return LocalFacts(
            key=key,
            kind=service.kind,
            ports=service.ports,
            session_affinity=service.session_affinity,
            slices=slices,
            exported=exported,
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
