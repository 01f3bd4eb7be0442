"""Inside the own member: one node's requests over the endpoints of its availability zones. Pure.

The rule of Envoy's zone-aware routing, computed here because Envoy's own excludes locality weights: when the own zone
has at least its part of the endpoints, it takes everything; else it takes endpoints/agents of it, and the rest goes to
zones that have more endpoints than agents, by how many more. So no zone's endpoints get more than their part while each
agent's clients ask alike.
"""

from collections.abc import Mapping

from federation.law.divide import Parts, apportion
from federation.law.room import PPM
from federation.model.policy import Policy

OWN_ZONE = "@az"


def zone_parts(ready: Mapping[str, int], own: str, agents: Mapping[str, int], policy: Policy) -> Parts:
    """The parts of zones with ready endpoints for a node in the zone `own`: they sum to one million, or there are none.

    `agents` counts the member's node agents by zone. By ready endpoints alone unless `@az` is in the policy's order,
    there are endpoints in the own zone and in another, and an agent in the own.
    """
    endpoints: Parts = {zone: count for zone, count in sorted(ready.items()) if count > 0}
    if not endpoints:
        return {}
    if OWN_ZONE not in policy.order or own not in endpoints or len(endpoints) < 2 or agents.get(own, 0) <= 0:
        return apportion(endpoints, PPM)
    return _zone_aware(endpoints, own, agents)


def _zone_aware(endpoints: Parts, own: str, agents: Mapping[str, int]) -> Parts:
    """Parts of endpoints and of agents are compared as cross products, so that nothing is rounded before the end."""
    total, asking = sum(endpoints.values()), sum(count for count in agents.values() if count > 0)
    offered, asked = endpoints[own] * asking, agents[own] * total
    if offered >= asked:
        return {zone: PPM if zone == own else 0 for zone in endpoints}
    rest: Parts = {
        zone: max(0, count * asking - max(0, agents.get(zone, 0)) * total)
        for zone, count in endpoints.items()
        if zone != own
    }
    kept = PPM * offered // asked
    return {own: kept, **apportion(rest, PPM - kept)}
