"""The handout, found by what asks for it: so that a change is followed to the services that hang on it. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import Struct

from federation.law.zones import OWN_ZONE
from federation.model.confine import Confined
from federation.model.handout import (
    ForeignBundle,
    Here,
    Import,
    JwtBundle,
    Offer,
    OwnGateway,
    OwnNode,
    Peer,
    Pool,
    Site,
    Workload,
)
from federation.model.names import ServiceKey
from federation.model.sighting import Sighted
from gateways.claims import Claims


class Touched(Struct):
    """What a step changed: which kinds of what is the node's, and which services by their own resources."""

    site: bool = False
    peers: bool = False
    workloads: bool = False
    bundles: bool = False
    confined: bool = False
    inner: bool = False
    sighted: bool = False
    services: set[ServiceKey] = set()

    def mark(self, value: Struct) -> None:
        """This resource came, went, or is what stood there before."""
        match value:
            case Site() | Here():
                self.site = True
            case Peer():
                self.peers = True
            case Workload():
                self.workloads = True
            case JwtBundle() | ForeignBundle():
                self.bundles = True
            case Confined():
                self.confined = True
            case OwnGateway() | OwnNode():
                self.inner = True
            case Sighted():
                self.sighted = True
            case Import() | Offer() | Pool():
                self.services.add(value.service)


class Known:
    """The handout as the last step left it.

    `imports` and `offers` are by service, the others by key; `importers` are by member the services that it may serve.
    """

    def __init__(self) -> None:
        self.site: Site | None = None
        self.peers: dict[str, Peer] = {}
        self.workloads: dict[str, Workload] = {}
        self.bundles: dict[str, JwtBundle | ForeignBundle] = {}
        self.inner: dict[str, OwnGateway | OwnNode] = {}
        self.sighted: dict[str, Sighted] = {}
        self.confined: dict[str, Confined] = {}
        self.imports: dict[ServiceKey, Import] = {}
        self.offers: dict[ServiceKey, Offer] = {}
        self.claims = Claims()
        self.importers: dict[str, set[ServiceKey]] = {}
        self._pools: dict[ServiceKey, dict[str, Pool]] = {}
        self._values: dict[str, Struct] = {}
        self._others: dict[str, Struct] = {}

    def take(self, changed: Mapping[str, Struct | None]) -> Touched:
        """Replace the resources under these keys; None: there is none any more."""
        touched = Touched()
        for key, new in changed.items():
            old = self._values.get(key)
            if old == new:
                continue
            if old is not None:
                self._drop(key, old, touched)
            if new is not None:
                self._put(key, new, touched)
        return touched

    def pools(self, service: ServiceKey) -> tuple[Pool, ...]:
        """The own member's pools of one service, over all availability zones."""
        found = self._pools.get(service, {})
        return tuple(found[key] for key in sorted(found))

    def owners(self, item: Import) -> dict[int, str]:
        """Who owns each listener port of this import."""
        return {port.listener: self.claims.owner(port.listener) for port in item.ports if port.protocol == "TCP"}

    def candidates_of(self, members: Iterable[str]) -> set[ServiceKey]:
        """The services that these members may serve."""
        return {service for member in members for service in self.importers.get(member, ())}

    @property
    def az(self) -> str:
        """The node's availability zone; "" when nobody says."""
        return self._here.az

    @property
    def overlay(self) -> str:
        """The node's address in the member's overlay prefix; "" when it has none."""
        return self._here.overlay

    @property
    def pods(self) -> tuple[str, ...]:
        """The ranges of the node's pods, where its agent was told none."""
        return self._here.pods

    @property
    def egress(self) -> dict[str, tuple[str, ...]]:
        """The node's egress addresses by namespace."""
        return self._here.egress

    @property
    def _here(self) -> Here:
        here = self._values.get("here")
        return here if isinstance(here, Here) else Here()

    def by_zone(self) -> set[ServiceKey]:
        """The services whose policy looks at availability zones."""
        return {service for service, item in self.imports.items() if OWN_ZONE in item.policy.order}

    def _put(self, key: str, value: Struct, touched: Touched) -> None:
        self._values[key] = value
        match value:
            case Site():
                self.site = value
            case Import():
                self.imports[value.service] = value
                for candidate in value.candidates:
                    self.importers.setdefault(candidate.member, set()).add(value.service)
                touched.services |= self.claims.put(value)
            case Offer():
                self.offers[value.service] = value
            case Pool():
                self._pools.setdefault(value.service, {})[key] = value
            case _:
                self._shelf(value)[key] = value
        touched.mark(value)

    def _drop(self, key: str, value: Struct, touched: Touched) -> None:
        del self._values[key]
        match value:
            case Site():
                self.site = None
            case Import():
                del self.imports[value.service]
                for candidate in value.candidates:
                    self.importers[candidate.member].discard(value.service)
                touched.services |= self.claims.drop(value)
            case Offer():
                del self.offers[value.service]
            case Pool():
                del self._pools[value.service][key]
                if not self._pools[value.service]:
                    del self._pools[value.service]
            case _:
                del self._shelf(value)[key]
        touched.mark(value)

    def _shelf(self, value: Struct) -> dict[str, Any]:
        """Where those of its kind are kept by their keys."""
        match value:
            case Peer():
                return self.peers
            case Workload():
                return self.workloads
            case JwtBundle() | ForeignBundle():
                return self.bundles
            case OwnGateway() | OwnNode():
                return self.inner
            case Sighted():
                return self.sighted
            case Confined():
                return self.confined
        return self._others
