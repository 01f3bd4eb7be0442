"""Which resources are to be made anew for Envoy, by what became of the node state since they were made last. Pure."""

from collections.abc import Iterable, Mapping

from federation.model.names import ServiceKey
from gateways.render.envoy.resources import NODE, Certificate, Groups, node_parts, service_parts
from gateways.service_states import ABSENT
from gateways.state import NodeState


class Offering:
    """Remembers what was made. `note` every service that became another; `due` gives their parts until `done`."""

    def __init__(self) -> None:
        self._made: tuple[NodeState, Mapping[str, Certificate]] | None = None
        self._certified: frozenset[str] = frozenset()
        self._services: set[ServiceKey] = set()

    @property
    def begun(self) -> bool:
        """True when something was made."""
        return self._made is not None

    def note(self, services: Iterable[ServiceKey]) -> None:
        """These services are others now."""
        self._services.update(services)

    def due(self, state: NodeState, certificates: Mapping[str, Certificate]) -> Groups:
        """The parts of the groups that may differ; those of a service that is gone are none."""
        made = self._made
        services = self._services
        found: Groups = {}
        if made is None or _differs(made, state, certificates):
            certified = frozenset(name for name in map(str, state.identities) if name in certificates)
            if made is None or made[0].domain != state.domain or certified != self._certified:
                services = services | state.services.keys()
            self._certified = certified
            found[NODE] = tuple(node_parts(state, certificates))
        for service in services:
            item = state.services.get(service, ABSENT)
            found[str(service)] = tuple(service_parts(item, state.domain, self._certified, state.situation))
        return found

    def done(self, state: NodeState, certificates: Mapping[str, Certificate]) -> None:
        """All that was due is made."""
        self._made = (state, certificates)
        self._services = set()


def _differs(
    made: tuple[NodeState, Mapping[str, Certificate]], state: NodeState, certificates: Mapping[str, Certificate]
) -> bool:
    """True when anything that is the node's and no service's is another object than when it was made."""
    before, held = made
    same = before.anchors is state.anchors and before.foreign is state.foreign and before.gateway is state.gateway
    return not (
        same and before.identities is state.identities and before.domain == state.domain and held is certificates
    )
