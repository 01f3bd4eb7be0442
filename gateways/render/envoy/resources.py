"""All resources of one node by type and name: what the xDS server offers."""

from collections.abc import Mapping

from msgspec import Struct

from gateways.render.envoy import clusters, endpoints, listeners, secrets
from gateways.render.envoy.common import CDS, EDS, LDS, PEERS_SECRET, SDS, Json, anchor_secret
from gateways.state import NodeState

Resources = dict[str, dict[str, Json]]


class Certificate(Struct, frozen=True):
    """A leaf in force, PEM."""

    chain: str
    key: str


def resources(state: NodeState, certificates: Mapping[str, Certificate]) -> Resources:
    """What Envoy is to hold. Identities without a certificate yet are left out, with all that needs them: a cluster
    that waits for a secret would hold back every other change."""
    made: Resources = {CDS: {}, EDS: {}, LDS: {}, SDS: _secrets(state, certificates)}
    anchors = {anchor.member: anchor for anchor in state.anchors}
    for item in state.clusters:
        if item.identity is None or str(item.identity) in certificates:
            made[CDS][item.name] = clusters.cluster(item, anchors)
            made[EDS][item.name] = endpoints.load_assignment(item)
    for listener in state.listeners:
        chains = [chain for chain in listener.chains if str(chain.identity) in certificates]
        if chains or listener.default:
            made[LDS][listener.name] = listeners.node_listener(listener, chains)
    gateway = state.gateway
    if gateway is not None and str(gateway.identity) in certificates:
        made[LDS][listeners.GATEWAY_LISTENER] = listeners.gateway_listener(gateway)
    return made


def missing(state: NodeState, certificates: Mapping[str, Certificate]) -> tuple[str, ...]:
    """The identities that this node needs and has no certificate for."""
    return tuple(str(identity) for identity in state.identities if str(identity) not in certificates)


def _secrets(state: NodeState, certificates: Mapping[str, Certificate]) -> dict[str, Json]:
    made = {anchor_secret(anchor.member): secrets.anchor(anchor) for anchor in state.anchors}
    for identity in state.identities:
        leaf = certificates.get(str(identity))
        if leaf is not None:
            made[str(identity)] = secrets.certificate(str(identity), leaf.chain, leaf.key)
    if state.gateway is not None:
        made[PEERS_SECRET] = secrets.peers(state.anchors, state.gateway.admitted)
    return made
