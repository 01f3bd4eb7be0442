"""Our links to other members as our gateways report them: what they cost, whether they are up, what we say of them."""

from collections import Counter
from collections.abc import Mapping

from msgspec import Struct

from federation.law.places import cost_to
from federation.model.handout import Role
from federation.model.ledger import Member
from federation.model.names import MemberName, ServiceKey
from federation.model.record import Distance, Evidence
from federation.model.sighting import Sighting
from federation.model.standing import Standing, best
from federation.plan import mesh
from federation.plan.cost import settled_cost
from federation.ports import Agents, AgentState, Clock, Journal, Peers
from federation.reconcile.memory import Paths, Suspicion, Suspicions

PROBING: frozenset[Role] = frozenset(("gateway", "node"))
"""The roles whose agents probe own endpoints."""


class Links:
    """Settled costs and the verdicts of probes."""

    def __init__(self, own: MemberName, agents: Agents, peers: Peers, journal: Journal, clock: Clock) -> None:
        self._own = own
        self._agents = agents
        self._peers = peers
        self._journal = journal
        self._clock = clock
        self._noted: dict[str, Struct] = {}
        self.costs: dict[MemberName, int] = {}

    def measure(self) -> set[MemberName]:
        """Take over round-trip times that moved; the members whose cost did."""
        reported = {link for state in self._agents.states().values() for link in state.links if link.rtt_us >= 0}
        measured: dict[MemberName, int] = {}
        for link in reported:
            measured[link.member] = min(link.rtt_us, measured.get(link.member, link.rtt_us))
        costs = dict(self.costs)
        for member, rtt_us in measured.items():
            costs[member] = settled_cost(self.costs.get(member), rtt_us)
        moved = {member for member, cost in costs.items() if cost != self.costs.get(member)}
        self.costs = costs
        return moved

    def cost(self, member: Member) -> int:
        """Milliseconds of round trip; a link that was never measured ranks last, by admission number."""
        return cost_to(member.name, member.number, self._own, self.costs)

    def distances(self) -> list[Distance]:
        """What our record says of what it costs to reach others from here."""
        return [Distance(member, cost) for member, cost in sorted(self.costs.items())]

    def sightings(self, rails: Mapping[str, int]) -> list[Sighting]:
        """What our record says of where our gateways hear others; one that is away is unknown, not gone."""
        states = self._agents.states()
        return mesh.sightings({rail: states[name].links for name, rail in rails.items() if name in states})

    def evidence(self) -> list[Evidence]:
        """What our record says is down, by our gateways and DNS servers."""
        states = self._connected()
        servers = [state.targets for state in states if state.node is not None and state.node.role == "dns"]
        links = [link for state in states for link in state.links]
        return [*mesh.link_evidence(links), *mesh.target_evidence(self._own, servers)]

    def paths(self) -> dict[str, Standing]:
        """The way to each member as its best link."""
        found: dict[str, list[Standing]] = {}
        for link in (link for state in self._connected() for link in state.links):
            found.setdefault(link.member, []).append(Standing(link.up, link.since, link.loss))
        return {member: best(ways) for member, ways in found.items()}

    def failing(self) -> dict[ServiceKey, frozenset[str]]:
        """Own endpoints that fail their probes, by more than half of our agents: one node's trouble is not theirs."""
        agents = [one for one in self._connected() if one.node is not None and one.node.role in PROBING]
        votes = Counter((report.service, report.address) for agent in agents for report in agent.failing)
        found: dict[ServiceKey, set[str]] = {}
        for (service, address), count in votes.items():
            if 2 * count > len(agents):
                found.setdefault(service, set()).add(address)
        return {service: frozenset(addresses) for service, addresses in found.items()}

    def write_down(self) -> None:
        """Note paths and suspicions in the journal when they changed."""
        found: dict[str, Struct] = {"paths": Paths(self.paths()), "targets": Suspicions(self.targets_down())}
        changed = {key: value for key, value in found.items() if self._noted.get(key) != value}
        if changed:
            self._journal.note(int(self._clock.wall() * 1_000), dict(changed))
            self._noted = found

    def targets_down(self) -> dict[str, dict[str, Suspicion]]:
        """What our DNS servers find down, by host and member, and how many other members do as well."""
        found: dict[str, dict[str, Suspicion]] = {}
        for item in self.evidence():
            if item.kind == "target":
                key = f"evidence/target/{item.about}/{item.host}"
                states = self._peers.states().items()
                others = sum(key in state.view for name, state in states if name != item.about)
                found.setdefault(item.host, {})[item.about] = Suspicion(item.since * 1_000, others)
        return found

    def _connected(self) -> list[AgentState]:
        return [state for state in self._agents.states().values() if state.connected]
