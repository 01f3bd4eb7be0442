"""Clusterset IPs, listener ports, gateway ids, rails and nodes' numbers that were given, kept in the store."""

from collections.abc import Collection, Mapping

from federation.config import Own
from federation.model.names import ServiceKey
from federation.model.overlay import NODES, RAILS, SLOTS, node_address, rail_key
from federation.plan.addresses import address_at, address_space, place
from federation.ports import Store


class Allocations:
    """Gives a number to a name once and remembers it."""

    def __init__(self, own: Own, store: Store) -> None:
        self._own = own
        self._store = store
        self._space = address_space(own.clusterset)
        self._given = {kind: self._load(kind) for kind in ("address", "listener", "gateway", "rail", "node-number")}
        self._taken = {kind: set(numbers.values()) for kind, numbers in self._given.items()}

    def address(self, service: ServiceKey) -> str:
        """The clusterset IP of this service."""
        return address_at(self._own.clusterset, self._number("address", str(service), self._space))

    def listener(self, service: ServiceKey, mark: str) -> int:
        """The node listener port of this service port."""
        first, last = self._own.listeners
        return first + self._number("listener", f"{service}/{mark}", last - first + 1)

    def gateway(self, node: str) -> int:
        """The id of this gateway: 1 is the first."""
        given = self._given["gateway"]
        if node not in given:
            self._give("gateway", node, max(given.values(), default=0) + 1)
        return given[node]

    def rails(self, gateways: Collection[str], said: Mapping[str, Collection[str]]) -> dict[str, int]:
        """The rails of these (`overlay.rail_key`), the elder first; who comes when all are taken has none. `said` are
        those that each wants; one that says nothing keeps what it has. Whoever is not named has none any more.
        """
        given = self._given["rail"]
        each = {name: said.get(name) or self._rails_of(name) for name in sorted(gateways)}
        wanted = [(place, self.gateway(name), key) for name, keys in each.items() for place, key in enumerate(keys)]
        for gone in given.keys() - {key for _, _, key in wanted}:
            self._free("rail", gone)
        for key in (key for _, _, key in sorted(wanted) if key not in given):
            free = min(set(range(1, RAILS + 1)) - self._taken["rail"], default=0)
            if free:
                self._give("rail", key, free)
        return dict(given)

    def _rails_of(self, node: str) -> list[str]:
        held = [key for slot in range(SLOTS) if (key := rail_key(node, slot)) in self._given["rail"]]
        return held or [node]

    def node(self, name: str, overlay: str) -> str:
        """The address of this node in the member's overlay prefix."""
        return node_address(overlay, self._number("node-number", name, NODES))

    def leave(self, name: str) -> None:
        """This node is not enrolled any more."""
        self._free("node-number", name)

    def release(self, service: ServiceKey) -> None:
        """The service is imported no more."""
        self._free("address", str(service))
        for name in [name for name in self._given["listener"] if name.startswith(f"{service}/")]:
            self._free("listener", name)

    def _number(self, kind: str, name: str, space: int) -> int:
        given = self._given[kind]
        if name not in given:
            self._give(kind, name, place(name, self._taken[kind], space))
        return given[name]

    def _give(self, kind: str, name: str, number: int) -> None:
        self._store.put(f"{kind}/{name}", str(number).encode())
        self._given[kind][name] = number
        self._taken[kind].add(number)

    def _free(self, kind: str, name: str) -> None:
        number = self._given[kind].get(name)
        if number is not None:
            self._store.drop(f"{kind}/{name}")
            del self._given[kind][name]
            self._taken[kind].discard(number)

    def _load(self, kind: str) -> dict[str, int]:
        return {key.partition("/")[2]: int(value) for key, value in self._store.items(f"{kind}/").items()}
