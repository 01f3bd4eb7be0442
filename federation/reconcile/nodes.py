"""The node agents whose proxies take what is sent to a clusterset IP, as last reported: one that is away is unknown,
not gone.
"""

from collections.abc import Mapping

from federation.config import Enrolment
from federation.plan.imports import Nodes
from federation.ports import AgentState, Store

PREFIX = "node/"


class KnownNodes:
    """Where each enrolled node agent was last, kept in the store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known = {key.removeprefix(PREFIX): data.decode() for key, data in store.items(PREFIX).items()}
        self.all: Nodes = ()

    def look(self, enrolments: Mapping[str, Enrolment], states: Mapping[str, AgentState]) -> bool:
        """Take what agents report now; True when that moves `all`, which has the nodes by their names in Kubernetes."""
        nodes = {name: one for name, one in enrolments.items() if one.role == "node"}
        for name in self._known.keys() - nodes.keys():
            del self._known[name]
            self._store.drop(PREFIX + name)
        for name in nodes:
            report = states[name].node if name in states else None
            if report is not None and report.address and report.address != self._known.get(name):
                self._known[name] = report.address
                self._store.put(PREFIX + name, report.address.encode())
        before = self.all
        self.all = tuple(sorted((nodes[name].kubernetes or name, at) for name, at in self._known.items()))
        return self.all != before
