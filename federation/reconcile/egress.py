"""From which addresses the pods of a namespace go to flat peers: ranges, by command, and one address of each for every
node that has such pods.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice

from federation.config import Enrolment
from federation.model.cidr import network_of
from federation.model.flat import Egress, within
from federation.model.ledger import Member
from federation.model.record import Resource, key_of
from federation.ports import Store

RANGES, ADDRESSES = "egress-range/", "egress-address/"
ADDRESSES_MAX = 65_536
"""Addresses of one range that are given to nodes, from its first."""

Place = tuple[str, str]
"""A namespace, and a node."""


class Egresses:
    """`ranges` are by namespace as they were given. An address stays its node's while there are others to give."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._given = {
            _place(key.removeprefix(ADDRESSES)): _listed(data) for key, data in store.items(ADDRESSES).items()
        }
        self._without: dict[Place, str] = {}
        self.ranges = {key.removeprefix(RANGES): _listed(data) for key, data in store.items(RANGES).items()}

    def give(self, namespace: str, ranges: tuple[str, ...]) -> None:
        """Packets of this namespace come from these ranges from now on; none: from its pods' own addresses."""
        if ranges:
            self.ranges[namespace] = ranges
            self._store.put(RANGES + namespace, ",".join(ranges).encode())
        else:
            del self.ranges[namespace]
            self._store.drop(RANGES + namespace)

    def record(self, own: Member) -> dict[str, Resource]:
        """What our record says, of ranges that are ours by the ledger of now."""
        return {
            key_of(one): one
            for one in (Egress(name, self._held(name, own)) for name in sorted(self.ranges))
            if one.ranges
        }

    def site(self, own: Member) -> tuple[str, ...]:
        """All of these ranges."""
        return tuple(sorted(text for name in self.ranges for text in self._held(name, own)))

    def of(self, node: str, own: Member) -> dict[str, tuple[str, ...]]:
        """This node's addresses by namespace, those that are ours by the ledger of now."""
        given = ((space, found) for (space, name), found in sorted(self._given.items()) if name == node)
        found = {space: tuple(one for one in found if within(one, own.reachable)) for space, found in given}
        return {space: addresses for space, addresses in found.items() if addresses}

    def behind(self, node: str, own: Member) -> tuple[str, ...]:
        """This node's addresses as ranges: what is for them is for its pods."""
        return tuple(str(network_of(one)) for found in self.of(node, own).values() for one in found)

    def taken(self, namespace: str) -> int:
        """How many nodes have addresses of this namespace."""
        return sum(space == namespace for space, _ in self._given)

    def problems(self, own: Member) -> list[str]:
        """Ranges that do not hold by the ledger of now, and nodes for which there is no address."""
        listed = ", ".join(own.reachable) or "none"
        lost = [
            f"E103 egress {name}: {text} lies in none of this member's reachable ranges in the ledger [{listed}]"
            for name, ranges in sorted(self.ranges.items())
            for text in sorted(set(ranges) - set(self._held(name, own)))
        ]
        full = "has no address left: its pods there go out under their own; give a larger range"
        return lost + [
            f"E118 egress {space}: {text} {full} (node {node})" for (space, node), text in sorted(self._without.items())
        ]

    def follow(self, enrolments: Mapping[str, Enrolment]) -> bool:
        """Give each node its addresses for the namespaces of its pods; True when that moves any."""
        nodes = {name: one for name, one in enrolments.items() if one.role == "node"}
        wanted = (
            {(w.namespace, name) for name, one in nodes.items() for w in one.workloads if w.namespace in self.ranges}
            if self.ranges
            else set()
        )
        before, self._without = dict(self._given), {}
        for place, found in before.items():
            if place[1] not in nodes or not self._is_whole(place[0], found):
                self._drop(place)
        for place in sorted(wanted - self._given.keys()):
            self._give(place, wanted)
        return before != self._given

    def _held(self, namespace: str, own: Member) -> tuple[str, ...]:
        return tuple(text for text in self.ranges[namespace] if within(text, own.reachable))

    def _is_whole(self, namespace: str, found: Iterable[str]) -> bool:
        """True for an address of each range, and of no other."""
        ranges = self.ranges.get(namespace, ())
        places = [next((text for text in ranges if within(one, (text,))), "") for one in found]
        return tuple(places) == ranges

    def _give(self, place: Place, wanted: set[Place]) -> None:
        namespace = place[0]
        found = []
        for text in self.ranges[namespace]:
            one = self._free(namespace, text) or self._reclaimed(namespace, text, wanted)
            if not one:
                self._without[place] = text
                return
            found.append(one)
        self._given[place] = tuple(found)
        self._store.put(_key(place), ",".join(found).encode())

    def _free(self, namespace: str, text: str) -> str:
        taken = {one for (space, _), found in self._given.items() if space == namespace for one in found}
        return next((one for one in _addresses(text) if one not in taken), "")

    def _reclaimed(self, namespace: str, text: str, wanted: set[Place]) -> str:
        """That of a node whose pods of this namespace are gone."""
        idle = min((place for place in self._given.keys() - wanted if place[0] == namespace), default=None)
        if idle is None:
            return ""
        self._drop(idle)
        return self._free(namespace, text)

    def _drop(self, place: Place) -> None:
        del self._given[place]
        self._store.drop(_key(place))


def _addresses(text: str) -> Iterator[str]:
    return (str(one) for one in islice(network_of(text), ADDRESSES_MAX))


def _listed(data: bytes) -> tuple[str, ...]:
    return tuple(data.decode().split(","))


def _key(place: Place) -> str:
    return f"{ADDRESSES}{place[0]}/{place[1]}"


def _place(text: str) -> Place:
    namespace, _, node = text.partition("/")
    return namespace, node
