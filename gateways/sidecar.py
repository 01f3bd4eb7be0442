"""What a sidecar holds: of each service what a node proxy has for one of its workloads, on loopback. Pure.

No resource names an identity (`state.BEARER` stands for it), so all sidecars of a member share one view: it is planned,
rendered and written once, however many there are. Those of accounts that the same EgressPolicies confine share another.
"""

from collections.abc import Iterable

from msgspec import structs

from federation.model.confine import Confined, may_call
from federation.model.names import ServiceKey
from federation.model.spiffe import SYSTEM, SpiffeId, account, trust_domain
from gateways.render.envoy.resources import NODE, Groups, node_parts, service_parts
from gateways.service_states import ABSENT
from gateways.state import BEARER, NodeListener, NodeState, ServiceState

LOOPBACK = "127.0.0.1"
"""Where a sidecar listens: on each import port's own listener port."""


def sidecar_service(item: ServiceState, leaves: bool = True) -> ServiceState:
    """Only what whoever bears an identity uses; every connection of the sidecar's listeners is its workload's. Own
    endpoints alone for one who may not leave the member.
    """
    mine = tuple(one for one in item.clusters if (one.identity is not None) == leaves)
    names = {one.name for one in mine}
    listeners = (_listener(one, leaves) for one in item.listeners)
    return ServiceState(
        clusters=mine,
        routes=tuple(route for route in item.routes if route.name in names),
        listeners=tuple(one for one in listeners if one.default),
    )


def _listener(item: NodeListener, leaves: bool) -> NodeListener:
    return structs.replace(item, chains=(), default=item.chains[0].cluster if leaves else item.default)


def sidecar_groups(
    state: NodeState, services: Iterable[ServiceKey], whole: bool, policies: tuple[Confined, ...] = ()
) -> Groups:
    """The parts of these services, those of one that is gone are none; with `whole` also what is no service's: anchors.
    Never a leaf or a key: an Envoy takes its own from its node. `policies` confine whose sidecars these are.
    """
    found: Groups = {NODE: tuple(node_parts(state, {}))} if whole else {}
    bearer = str(SpiffeId(trust_domain(state.situation.member, state.domain), (BEARER,)))
    for key in services:
        item = sidecar_service(state.services.get(key, ABSENT), may_call(policies, key))
        found[str(key)] = tuple(service_parts(item, state.domain, {bearer}, state.situation))
    return found


def is_workload(identity: SpiffeId, own: str) -> bool:
    """True for `spiffe://<own trust domain>/ns/<namespace>/sa/<account>` outside our own namespace."""
    match identity.segments:
        case ("ns", namespace, "sa", name):
            return namespace != SYSTEM and identity == account(own, namespace, name)
    return False
