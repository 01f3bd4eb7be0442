"""What our member's clients ask of each service: the flows of all its node agents together, held still against noise.
Where a node's flows surge, its surge counts in place of their averages.

An agent's word counts while it is there and AWAY seconds more. After a restart the last known demand stands until the
agents had time to come back, so that a controller that restarts moves no traffic.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping

from federation.model.flows import FlowReport
from federation.model.names import MemberName, ServiceKey
from federation.plan.grants import settled
from federation.ports import Clock, Store

AWAY = 10.0
"""Seconds; the time over which agents average."""

CHANGES = 20
"""Services that may move per second because our clients ask something else, and as many because others do: a reader
takes 50 changes of a record (`Quota.changes_per_second`)."""

PREFIX = "demand/"
STORED_PART = 3
"""What is stored is written anew when it is off by more than one part in so many: a restart needs no more."""


class Demands:
    """Sums that move along with what is reported; a look costs what moved."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._said: dict[str, dict[ServiceKey, FlowReport]] = {}
        self._away: dict[str, float] = {}
        self._left_out: set[str] = set()
        self._sums: dict[ServiceKey, int] = {}
        self._stored = {_service(key): int(data) for key, data in store.items(PREFIX).items()}
        self._held = dict(self._stored)
        self._due: dict[ServiceKey, None] = dict.fromkeys(self._held)
        self._asked: dict[MemberName, dict[ServiceKey, None]] = {}
        self._looked = float("-inf")
        self._restored = clock.monotonic() + AWAY

    def heard(self, agent: str, changes: Mapping[ServiceKey, FlowReport | None]) -> None:
        """This agent says something new of these services (None: nothing any more)."""
        said = self._said.setdefault(agent, {})
        for service, report in changes.items():
            old = said.pop(service, None)
            if report is not None:
                said[service] = report
            if agent not in self._left_out:
                self._add(service, _rate(report) - _rate(old))

    def forget(self, agent: str) -> None:
        """The agent is no longer enrolled."""
        self.heard(agent, dict.fromkeys(self._said.get(agent, {})))
        self._said.pop(agent, None)
        self._away.pop(agent, None)
        self._left_out.discard(agent)

    def asked(self, member: MemberName, services: Iterable[ServiceKey]) -> None:
        """This member would have us take something else of these."""
        if found := dict.fromkeys(services):
            self._asked.setdefault(member, {}).update(found)

    def look(self, connected: Callable[[str], bool], concerned: Callable[[ServiceKey], bool]) -> set[ServiceKey]:
        """The services whose demand moved since the last look and whose plan is concerned, and those of which others
        ask something else; at most once a second, and at most CHANGES of each: the rest comes next, the longest due
        first, of other members in turns.
        """
        now = self._clock.monotonic()
        if now - self._looked < 1:
            return set()
        self._looked = now
        self._follow(connected, now)
        return self._moved(now, concerned) | self._turns()

    def _turns(self) -> set[ServiceKey]:
        """One service of each member after the other: who asks much delays nobody else."""
        found: set[ServiceKey] = set()
        while self._asked and len(found) < CHANGES:
            member, waiting = next(iter(self._asked.items()))
            del self._asked[member]
            found.add(service := next(iter(waiting)))
            del waiting[service]
            if waiting:
                self._asked[member] = waiting
        return found

    def _moved(self, now: float, concerned: Callable[[ServiceKey], bool]) -> set[ServiceKey]:
        moved: set[ServiceKey] = set()
        for service in list(self._due):
            if len(moved) >= CHANGES:
                break
            held, fresh = self.of(service), -(-self._sums.get(service, 0) // 1_000)
            if now < self._restored and fresh < held:
                continue
            del self._due[service]
            if settled(fresh, held) != held:
                self._hold(service, fresh)
                if concerned(service):
                    moved.add(service)
            self._write_down(service, concerned(service))
        return moved

    def of(self, service: ServiceKey) -> int:
        """Requests per second that our clients ask of it; 0 when that is not known."""
        return self._held.get(service, 0)

    def reports(self) -> Iterator[FlowReport]:
        """What the agents say whose word counts."""
        for agent, said in self._said.items():
            if agent not in self._left_out:
                yield from said.values()

    def _follow(self, connected: Callable[[str], bool], now: float) -> None:
        """Leave out who is away for too long, count again who came back."""
        for agent, said in self._said.items():
            if connected(agent):
                self._away.pop(agent, None)
            out = not connected(agent) and now - self._away.setdefault(agent, now) >= AWAY
            if out != (agent in self._left_out):
                self._left_out ^= {agent}
                for service, report in said.items():
                    self._add(service, -_rate(report) if out else _rate(report))

    def _add(self, service: ServiceKey, mrps: int) -> None:
        total = self._sums.pop(service, 0) + mrps
        if total:
            self._sums[service] = total
        self._due[service] = None

    def _hold(self, service: ServiceKey, rps: int) -> None:
        self._held.pop(service, None)
        if rps:
            self._held[service] = rps

    def _write_down(self, service: ServiceKey, concerned: bool) -> None:
        held, stored = self.of(service) if concerned else 0, self._stored.get(service, 0)
        if abs(held - stored) * STORED_PART <= stored and bool(held) == bool(stored):
            return
        self._stored.pop(service, None)
        if held:
            self._stored[service] = held
            self._store.put(f"{PREFIX}{service}", str(held).encode())
        else:
            self._store.drop(f"{PREFIX}{service}")


def _rate(report: FlowReport | None) -> int:
    return max(report.surge, sum(flow.mrps for flow in report.flows)) if report else 0


def _service(key: str) -> ServiceKey:
    namespace, _, name = key.removeprefix(PREFIX).partition("/")
    return ServiceKey(namespace, name)
