"""Which services' plans change by what our agents report: failing endpoints, ways that broke, demand that moved."""

from collections.abc import Mapping

from federation.model.names import ServiceKey
from federation.plan.service import ServicePlan
from federation.ports import Agents
from federation.reconcile.demand import Demands
from federation.reconcile.desired import NOTHING
from federation.reconcile.links import Links

Plans = Mapping[ServiceKey, ServicePlan]


class Reported:
    """`failing` are the own endpoints that fail, `refused` what our proxies refuse (by node), both by service."""

    def __init__(self, links: Links, demands: Demands, agents: Agents) -> None:
        self._links = links
        self._demands = demands
        self._agents = agents
        self._down: frozenset[str] = frozenset()
        self.failing: dict[ServiceKey, frozenset[str]] = {}
        self.refused: dict[ServiceKey, dict[str, str]] = {}

    def anew(self, plans: Plans) -> set[ServiceKey]:
        """After an agent said something new, came or went."""
        before, self.failing = self.failing, self._links.failing()
        moved = {key for key in self.failing.keys() | before.keys() if self.failing.get(key) != before.get(key)}
        held, self.refused = self.refused, _refused(self._agents)
        moved |= {key for key in held.keys() | self.refused.keys() if held.get(key) != self.refused.get(key)}
        down = frozenset(member for member, path in self._links.paths().items() if not path.up)
        turned = down ^ self._down
        if turned:
            moved |= {key for key, plan in plans.items() if plan.measured and not turned.isdisjoint(plan.exporters)}
        self._down = down
        return moved

    def demand(self, plans: Plans) -> set[ServiceKey]:
        """Of which our clients ask more or less, where capacity is known: elsewhere it changes nothing."""
        states = self._agents.states()
        return self._demands.look(
            lambda agent: agent in states and states[agent].connected,
            lambda key: plans.get(key, NOTHING).measured,
        )


def _refused(agents: Agents) -> dict[ServiceKey, dict[str, str]]:
    """What the proxies of connected agents refuse of each service, by node."""
    found: dict[ServiceKey, dict[str, str]] = {}
    for node, state in agents.states().items():
        for one in state.refusals if state.connected else ():
            found.setdefault(one.service, {})[node] = one.text
    return found
