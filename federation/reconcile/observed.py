"""Peers' records indexed by service, kept up by the keys that changed."""

from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping
from typing import NamedTuple

from federation.model.flat import Egress, Flat
from federation.model.moves import Leaving, Shift
from federation.model.names import MemberName, ServiceKey
from federation.model.record import Demand, Distance, Evidence, Export, Gateway, Granted, Resource, Slice
from federation.model.sighting import Sighting
from federation.plan.service import Offered, service_of


class Rank(NamedTuple):
    """Where a member stands: its admission number, what it costs to reach it (ms), its region, its drain, the labels
    that it says of itself.
    """

    number: int
    cost: int
    region: str
    leaving: Leaving | None
    labels: dict[str, str]


class PeerIndex:
    """For each service, the record keys of each member that are about it; and what others want of us and grant us.

    `asked` are the services of which another wants more or less of us since somebody cleared it.
    """

    def __init__(self, own: MemberName) -> None:
        self._own = own
        self.asked: set[ServiceKey] = set()
        self._wants: dict[ServiceKey, dict[MemberName, int]] = {}
        self._grants: dict[ServiceKey, dict[MemberName, int]] = {}
        self._keys: dict[ServiceKey, dict[MemberName, set[str]]] = {}
        self._count: Counter[MemberName] = Counter()
        self._apart: dict[MemberName, dict[str, Resource]] = {}
        self._shifts: dict[ServiceKey, dict[str, Shift]] = {}

    def about(self, member: MemberName) -> Mapping[str, Resource]:
        """What this member says apart from services: gateways, distances, evidence, sightings, flat mode."""
        return self._apart.get(member, {})

    def note(self, member: MemberName, keys: Iterable[str], view: Mapping[str, Resource]) -> set[ServiceKey]:
        """These keys of this member's record changed; the services that they are about, those in `asked` left aside."""
        changed: set[ServiceKey] = set()
        for key in keys:
            service = service_of(key)
            if service is None and key.startswith(("demand/", "grant/")):
                moved = self._note_room(member, key, view.get(key))
                (self.asked if key.startswith("demand/") else changed).update(moved)
                continue
            if service is None:
                self._note_apart(member, key, view.get(key))
                continue
            changed.add(service)
            if key.startswith("shift/"):
                self._note_shift(service, key, view.get(key))
                continue
            said = self._keys.setdefault(service, {})
            if member not in said:
                said[member] = set()
                self._count[member] += 1
            held = said[member]
            if key in view:
                held.add(key)
            else:
                held.discard(key)
        for service in changed & self._keys.keys():
            self._tidy(service, member)
        return changed

    def wants(self, service: ServiceKey) -> Mapping[MemberName, int]:
        """What each other member would have us take, in requests per second."""
        return self._wants.get(service, {})

    def shifts(self, service: ServiceKey, members: Container[MemberName]) -> tuple[Shift, ...]:
        """What these members say of requests for this service that others would send to them."""
        held = sorted(self._shifts.get(service, {}).items())
        return tuple(one for _, one in held if one.source in members and one.to in members)

    def all_shifts(self) -> Iterator[Shift]:
        """What all other members say of requests that others would send to them."""
        return (shift for held in self._shifts.values() for shift in held.values())

    def exports(self, member: MemberName) -> int:
        """How many services this member says something of."""
        return self._count.get(member, 0)

    def services(self) -> set[ServiceKey]:
        """Every service that a peer says something about."""
        return set(self._keys)

    def services_of(self, member: MemberName) -> set[ServiceKey]:
        """Those that this member says something about."""
        return {service for service, members in self._keys.items() if member in members}

    def offered(
        self,
        service: ServiceKey,
        views: Mapping[MemberName, Mapping[str, Resource]],
        rank: Mapping[MemberName, Rank],
        numbers: Mapping[MemberName, int],
    ) -> tuple[Offered, ...]:
        """What each peer exports of this service. `rank` has each active member, `numbers` this service's exports."""
        found = []
        for member, keys in self._keys.get(service, {}).items():
            if member not in views or member not in rank:
                continue
            view = views[member]
            export = view.get(f"export/{service}")
            if isinstance(export, Export):
                slices = tuple(part for key in sorted(keys) if isinstance(part := view.get(key), Slice))
                order, cost, region, leaving, labels = rank[member]
                found.append(
                    Offered(
                        member=member,
                        region=region,
                        order=order,
                        cost=cost,
                        export=export,
                        slices=slices,
                        number=numbers.get(member, 0),
                        leaving=leaving,
                        labels=labels,
                        grant=self._grants.get(service, {}).get(member, -1),
                    )
                )
        return tuple(sorted(found, key=lambda item: (item.order, item.member)))

    def _note_apart(self, member: MemberName, key: str, resource: Resource | None) -> None:
        held = self._apart.setdefault(member, {})
        if resource is None:
            held.pop(key, None)
        elif isinstance(resource, Gateway | Distance | Evidence | Sighting | Flat | Egress):
            held[key] = resource

    def _note_room(self, member: MemberName, key: str, resource: Resource | None) -> set[ServiceKey]:
        """The service, when it is about us and other than before."""
        kind, namespace, name = key.split("/", 2)
        service, book = ServiceKey(namespace, name), self._wants if kind == "demand" else self._grants
        said = _of(resource).get(self._own)
        held = book.setdefault(service, {})
        before = held.pop(member, None)
        if said is not None:
            held[member] = said
        if not held:
            del book[service]
        return set() if said == before else {service}

    def _note_shift(self, service: ServiceKey, key: str, said: Resource | None) -> None:
        held = self._shifts.setdefault(service, {})
        held.pop(key, None)
        if isinstance(said, Shift):
            held[key] = said
        if not held:
            del self._shifts[service]

    def _tidy(self, service: ServiceKey, member: MemberName) -> None:
        members = self._keys[service]
        if member in members and not members[member]:
            del members[member]
            self._count[member] -= 1
        if not members:
            del self._keys[service]


def _of(resource: Resource | None) -> Mapping[MemberName, int]:
    match resource:
        case Demand(wants=rates) | Granted(grants=rates):
            return rates
    return {}
