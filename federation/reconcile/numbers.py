"""Who is the oldest: the admission numbers of exports (KEP-1645, conflict resolution). Only the registrar gives
them, in its record; everyone keeps those that it knows, so that they stand while the registrar is away or moves.
"""

from collections.abc import Callable, Iterable, Mapping

import msgspec

from federation.model.names import MemberName, ServiceKey
from federation.model.record import Numbers, Resource, key_of
from federation.ports import Store

PREFIX = "number/"
LAST = "numbers/last"
Given = Mapping[MemberName, int]
NONE: Given = {}


class ExportNumbers:
    """The numbers of every service's exports, and, at the registrar, the giving of new ones."""

    def __init__(self, own: MemberName, store: Store) -> None:
        self._own = own
        self._store = store
        kept = ((numbered(key), data) for key, data in store.items(PREFIX).items())
        self._known = {service: _decode(data) for service, data in kept if service is not None}
        self._last = int(store.get(LAST) or b"0")

    def of(self, service: ServiceKey) -> Given:
        """The number of each export of this service that has one."""
        return self._known.get(service, NONE)

    def record(self) -> dict[str, Resource]:
        """What the registrar's record says."""
        found = (Numbers(service, dict(given)) for service, given in self._known.items())
        return {key_of(item): item for item in found}

    def learn(self, services: Iterable[ServiceKey], view: Mapping[str, Resource]) -> set[ServiceKey]:
        """Take what the registrar's record says of these services; those whose numbers that changes."""
        changed = set()
        for service in services:
            said = view.get(f"{PREFIX}{service}")
            if isinstance(said, Numbers):
                self._last = max(self._last, *said.numbers.values(), 0)
            if self._keep(service, said.numbers if isinstance(said, Numbers) else NONE):
                changed.add(service)
        return changed

    def services(self) -> tuple[ServiceKey, ...]:
        """Those that have a number."""
        return tuple(self._known)

    def drop_gone(self, view: Mapping[str, Resource], is_gone: Callable[[MemberName, ServiceKey], bool]) -> None:
        """Forget what the registrar's record lacks of exports that are gone: we may have missed that it forgot them."""
        for service, given in tuple(self._known.items()):
            if f"{PREFIX}{service}" not in view:
                self._keep(service, {name: number for name, number in given.items() if not is_gone(name, service)})

    def give(self, service: ServiceKey, exporters: Iterable[MemberName]) -> bool:
        """As the registrar: number these exports, in this order, and forget those that are no more. True when that
        changes anything.
        """
        before = self.of(service)
        given = {}
        for member in exporters:
            number = before.get(member)
            if number is None:
                self._last += 1
                self._store.put(LAST, str(self._last).encode())
                number = self._last
            given[member] = number
        return self._keep(service, given)

    def _keep(self, service: ServiceKey, given: Given) -> bool:
        if given == self.of(service):
            return False
        if given:
            self._known[service] = given
            self._store.put(f"{PREFIX}{service}", msgspec.msgpack.encode(given))
        else:
            del self._known[service]
            self._store.drop(f"{PREFIX}{service}")
        return True


def numbered(key: str) -> ServiceKey | None:
    """The service whose numbers stand under this key of a record; None for another key."""
    parts = key.split("/")
    return ServiceKey(parts[1], parts[2]) if parts[0] == "number" and len(parts) == 3 else None


def _decode(data: bytes) -> Given:
    return msgspec.msgpack.decode(data, type=dict[MemberName, int])
