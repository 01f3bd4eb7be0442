"""Which own endpoints a node probes, and how. Pure."""

from federation.model.names import ServiceKey
from federation.probing.target import Composite, Target
from gateways.service_states import ABSENT, Former
from gateways.state import Checked, NodeState

Sick = tuple[ServiceKey, str]
"""An own endpoint: its service and its address."""


def targets_of(former: Former, state: NodeState) -> dict[Sick, Composite | None]:
    """The own endpoints to probe from now on, and with None those to probe no more."""
    found: dict[Sick, Composite | None] = {}
    for service, before in former.items():
        now = state.services.get(service, ABSENT).checked
        if now != (before or ABSENT).checked:
            found |= {(service, one.address): None for one in (before or ABSENT).checked}
            found |= {(service, one.address): _target(one) for one in now}
    return found


def _target(checked: Checked) -> Composite:
    parts = (
        Target(checked.address, one.port or checked.port, checked.service.host, one, group=str(checked.service))
        for one in checked.probes
    )
    return Composite(tuple(parts), checked.need)
