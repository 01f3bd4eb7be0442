"""The policies among the objects of a cluster: what each service and each namespace is asked for, and who may call."""

from collections.abc import Iterator
from typing import TypeVar

from federation.model.access import AccessRule
from federation.model.names import ServiceKey
from federation.model.wish import Wish
from federation.wire.k8s.accesses import access_rule
from federation.wire.k8s.types import AccessPolicy, TrafficPolicy
from federation.wire.k8s.wishes import wish_of

Policy = TrafficPolicy | AccessPolicy
Key = TypeVar("Key")
Value = TypeVar("Value")


def whole(namespace: str) -> ServiceKey:
    """How every service of a namespace is named at once, where services are named that changed."""
    return ServiceKey(namespace, "")


def spoken_by(value: Policy) -> ServiceKey:
    """The service whose plan says what became of this object; of one for a namespace, that of the object's name."""
    service = value.spec.service if isinstance(value, AccessPolicy) else ""
    return ServiceKey(value.metadata.namespace, service or value.metadata.name)


class Policies:
    """Mutable index owned by `Objects`."""

    def __init__(self) -> None:
        self._services: dict[ServiceKey, Wish] = {}
        self._namespaces: dict[str, dict[str, tuple[str, Wish]]] = {}
        self._access: dict[ServiceKey, dict[str, AccessRule]] = {}
        self._falling: dict[str, set[str]] = {}

    def put(self, value: Policy) -> set[ServiceKey]:
        """Take this object; the services that it changes."""
        key = ServiceKey(value.metadata.namespace, value.metadata.name)
        if isinstance(value, AccessPolicy):
            about = ServiceKey(key.namespace, value.spec.service)
            self._access.setdefault(about, {})[key.name] = access_rule(value.spec)
            return {about, spoken_by(value)}
        if value.spec.target == "Namespace":
            created = value.metadata.creation_timestamp or ""
            self._namespaces.setdefault(key.namespace, {})[key.name] = (created, wish_of(value.spec))
            return {whole(key.namespace), key}
        wish = self._services[key] = wish_of(value.spec)
        if wish.panic is not None and wish.panic.fallback:
            self._falling.setdefault(key.namespace, set()).add(key.name)
        return {key, *self._fallers(key.namespace)}

    def drop(self, value: Policy) -> set[ServiceKey]:
        """Forget this object; the services that it changes."""
        key = ServiceKey(value.metadata.namespace, value.metadata.name)
        if isinstance(value, AccessPolicy):
            about = ServiceKey(key.namespace, value.spec.service)
            _forget(self._access, about, key.name)
            return {about, spoken_by(value)}
        if value.spec.target == "Namespace":
            _forget(self._namespaces, key.namespace, key.name)
            return {whole(key.namespace), key}
        del self._services[key]
        self._falling.get(key.namespace, set()).discard(key.name)
        return {key, *self._fallers(key.namespace)}

    def services(self) -> Iterator[ServiceKey]:
        """Every service that a policy names, and those whose plans speak of the policies for a namespace."""
        yield from self._services
        yield from (key for key in self._access if key.name)
        for namespace, wishes in self._namespaces.items():
            yield from (ServiceKey(namespace, name) for name in wishes)
        for key, rules in self._access.items():
            if not key.name:
                yield from (ServiceKey(key.namespace, name) for name in rules)

    def wish(self, key: ServiceKey) -> Wish | None:
        """What is asked for this service alone."""
        return self._services.get(key)

    def namespace_wish(self, namespace: str) -> Wish | None:
        """What is asked for the whole namespace: by the oldest policy for it (GEP-713, conflict resolution)."""
        held = self._namespaces.get(namespace)
        return held[_oldest(held)][1] if held else None

    def conflict(self, key: ServiceKey) -> str:
        """Why the policy of this name does not count for its namespace, or ""."""
        held = self._namespaces.get(key.namespace, {})
        if key.name not in held or (first := _oldest(held)) == key.name:
            return ""
        return f'field "spec.target": TrafficPolicy "{first}" is for the whole namespace already; delete one of both'

    def access(self, key: ServiceKey) -> tuple[AccessRule, ...]:
        """Who may call this service."""
        found = {**self._access.get(whole(key.namespace), {}), **self._access.get(key, {})}
        return tuple(rule for _, rule in sorted(found.items()))

    def admits(self, key: ServiceKey) -> dict[str, AccessRule]:
        """The AccessPolicies of which the plan of this service says what became of them, by name."""
        alone = self._access.get(whole(key.namespace), {})
        return ({key.name: alone[key.name]} if key.name in alone else {}) | self._access.get(key, {})

    def fallbacks(self, key: ServiceKey) -> tuple[str, ...]:
        """The services that shall take its place, each that of the one before, up to the first that comes again."""
        found: list[str] = []
        while (wish := self._services.get(key)) and wish.panic is not None and wish.panic.fallback:
            if wish.panic.fallback in found:
                break
            found.append(wish.panic.fallback)
            key = ServiceKey(key.namespace, wish.panic.fallback)
        return tuple(found)

    def _fallers(self, namespace: str) -> set[ServiceKey]:
        """The services of the namespace that have a fallback: a circle may begin or end with any of them."""
        return {ServiceKey(namespace, name) for name in self._falling.get(namespace, ())}


def _oldest(held: dict[str, tuple[str, Wish]]) -> str:
    return min(held, key=lambda name: (held[name][0], name))


def _forget(held: dict[Key, dict[str, Value]], key: Key, name: str) -> None:
    held[key].pop(name, None)
    if not held[key]:
        del held[key]
