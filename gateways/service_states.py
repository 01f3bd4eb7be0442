"""The states of all services, each planned again only when something that it hangs on is another. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping
from heapq import heappop, heappush

from federation.model.handout import Pool, Role
from federation.model.names import ServiceKey
from gateways.evidence import Evidence, with_sick
from gateways.known import Known
from gateways.node_parts import kept
from gateways.plan_import import plan_import
from gateways.plan_offer import plan_offer, with_openings
from gateways.state import ServiceState
from gateways.view import Exported, Imported, View

Former = dict[ServiceKey, ServiceState | None]
"""What services were before something else was made of them; None: they were not there."""

ABSENT = ServiceState()


class ServiceStates:
    """`states` by service; `in_use` are the members that get requests of any, `problems` those of all."""

    def __init__(self, role: Role) -> None:
        self.states: dict[ServiceKey, ServiceState] = {}
        self.in_use: frozenset[str] = frozenset()
        self.problems: tuple[str, ...] = ()
        self._role = role
        self._users: Counter[str] = Counter()
        self._troubled: dict[ServiceKey, tuple[str, ...]] = {}
        self._due: list[tuple[int, ServiceKey]] = []
        self._sick: frozenset[tuple[ServiceKey, str]] = frozenset()
        self._sick_by: dict[ServiceKey, set[str]] = {}

    def plan(self, view: View, known: Known, evidence: Evidence, dirty: Iterable[ServiceKey]) -> Former:
        """Plan these, those whose endpoints fell sick or got well, and those whose time has come."""
        former: Former = {}
        for service in {*dirty, *self._see(evidence.sick), *self._come(evidence.now)}:
            before = self.states.get(service)
            after = self._planned(view, known, evidence, service)
            if after != before:
                self._replace(service, before, after)
                former[service] = before
        self._gather(former)
        return former

    def until(self) -> int:
        """The Unix millisecond at which age alone changes a share of any service; 0 when it does not."""
        while self._due and not self._stands(*self._due[0]):
            heappop(self._due)
        return self._due[0][0] if self._due else 0

    def of_now(self, service: ServiceKey) -> ServiceState:
        """The state of this service, an empty one when it is not there."""
        return self.states.get(service, ABSENT)

    def _planned(self, view: View, known: Known, evidence: Evidence, service: ServiceKey) -> ServiceState | None:
        pools = self._pools(known, service)
        if self._role == "gateway":
            offer = known.offers.get(service)
            return None if offer is None else plan_offer(view, Exported(item=offer, pools=pools))
        return with_openings(view, known.offers.get(service), pools, self._imported(view, known, evidence, service))

    def _imported(self, view: View, known: Known, evidence: Evidence, service: ServiceKey) -> ServiceState | None:
        item, pools = known.imports.get(service), self._pools(known, service)
        if item is None:
            return None
        state = self.states.get(service)
        before = evidence.held.get(service) if state is None else state.held
        return plan_import(view, Imported(item=item, pools=pools, before=before, owners=known.owners(item)))

    def _pools(self, known: Known, service: ServiceKey) -> tuple[Pool, ...]:
        pools = known.pools(service)
        return with_sick(pools, self._sick_by[service]) if service in self._sick_by else pools

    def _see(self, sick: frozenset[tuple[ServiceKey, str]]) -> set[ServiceKey]:
        if sick is self._sick:
            return set()
        moved = {service for service, _ in sick ^ self._sick}
        self._sick, self._sick_by = sick, {}
        for service, address in sick:
            self._sick_by.setdefault(service, set()).add(address)
        return moved

    def _come(self, now: int) -> set[ServiceKey]:
        found = set()
        while self._due and self._due[0][0] <= now:
            until, service = heappop(self._due)
            if self._stands(until, service):
                found.add(service)
        return found

    def _stands(self, until: int, service: ServiceKey) -> bool:
        return self.of_now(service).until == until

    def _replace(self, service: ServiceKey, before: ServiceState | None, after: ServiceState | None) -> None:
        self._users.subtract(() if before is None else before.in_use)
        self._users.update(() if after is None else after.in_use)
        if after is None:
            del self.states[service]
            return
        self.states[service] = after
        if after.until:
            heappush(self._due, (after.until, service))

    def _gather(self, former: Mapping[ServiceKey, ServiceState | None]) -> None:
        if any((before or ABSENT).in_use != self.of_now(key).in_use for key, before in former.items()):
            self.in_use = kept(self.in_use, frozenset(member for member, count in self._users.items() if count))
        if any((before or ABSENT).problems != self.of_now(key).problems for key, before in former.items()):
            for key in former:
                self._troubled[key] = self.of_now(key).problems
            self._troubled = {key: lines for key, lines in self._troubled.items() if lines}
            self.problems = tuple(line for key in sorted(self._troubled) for line in self._troubled[key])
