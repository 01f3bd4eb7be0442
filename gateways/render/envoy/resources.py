"""All resources of one node by type and name: what the xDS server offers."""

from collections.abc import Callable, Container, Iterator, Mapping

from msgspec import Struct, structs

from gateways.render.envoy import clusters, endpoints, listeners, routes, secrets, telemetry
from gateways.render.envoy.common import (
    ANCHORS_SECRET,
    CDS,
    ECDS,
    EDS,
    LDS,
    PEERS_FILTER,
    PEERS_SECRET,
    RDS,
    SDS,
    Json,
    anchor_secret,
    foreign_secret,
)
from gateways.state import NodeState, ServiceState, Situation

KINDS = (CDS, EDS, ECDS, LDS, RDS, SDS)
Resources = dict[str, dict[str, Json]]


class Certificate(Struct, frozen=True):
    """A leaf in force, PEM."""

    chain: str
    key: str


class Part(Struct, frozen=True):
    """One resource before it is rendered. What it is made of tells, cheaply, whether it changed since the last time."""

    kind: str
    name: str
    render: Callable[..., Json]
    made_of: tuple[object, ...]

    def content(self) -> Json:
        """The resource as a dict in protobuf JSON form."""
        return self.render(*self.made_of)


Groups = dict[str, tuple[Part, ...]]
"""Parts by what they are made anew with."""

NODE = ""
"""The group of what is the node's: secrets and a gateway's entrance. Each service's is under its own name."""


def service_parts(item: ServiceState, domain: str, certified: Container[str], own: Situation) -> Iterator[Part]:
    """What Envoy is to hold for one service. Identities without a certificate yet are left out, with all that needs
    them: a cluster that waits for a secret would hold back every other change.
    """
    held = set()
    for cluster in item.clusters:
        if cluster.identity is None or str(cluster.identity) in certified:
            yield Part(CDS, cluster.name, clusters.cluster, (structs.replace(cluster, localities=()), domain))
            yield Part(EDS, cluster.name, endpoints.load_assignment, (cluster.name, cluster.localities))
            held.add(cluster.name)
    for route in item.routes:
        if route.name in held:
            yield Part(RDS, route.name, routes.routes, (route,))
    for listener in item.listeners:
        chains = tuple(chain for chain in listener.chains if str(chain.identity) in certified)
        if chains or listener.default:
            yield Part(LDS, listener.name, listeners.node_listener, (listener, chains, own))


def node_parts(state: NodeState, certificates: Mapping[str, Certificate]) -> Iterator[Part]:
    """What Envoy is to hold beside that."""
    yield from _secrets(state, certificates)
    if state.situation.telemetry.otlp:
        yield Part(CDS, telemetry.COLLECTOR, telemetry.collector, (state.situation.telemetry,))
    gateway = state.gateway
    if gateway is not None and str(gateway.identity) in certificates:
        entrance = structs.replace(gateway, admitted=())
        yield Part(ECDS, PEERS_FILTER, listeners.peers_filter, (gateway.admitted,))
        yield Part(LDS, listeners.GATEWAY_LISTENER, listeners.gateway_listener, (entrance, state.situation))


def grouped(state: NodeState, certificates: Mapping[str, Certificate]) -> Groups:
    """All parts, by group."""
    made: Groups = {NODE: tuple(node_parts(state, certificates))}
    for service in sorted(state.services):
        made[str(service)] = tuple(service_parts(state.services[service], state.domain, certificates, state.situation))
    return made


def resources(state: NodeState, certificates: Mapping[str, Certificate]) -> Resources:
    """All of them rendered."""
    made: Resources = {kind: {} for kind in KINDS}
    for parts in grouped(state, certificates).values():
        for part in parts:
            made[part.kind][part.name] = part.content()
    return made


def missing(state: NodeState, certificates: Mapping[str, Certificate]) -> tuple[str, ...]:
    """The identities that this node needs and has no certificate for."""
    return tuple(str(identity) for identity in state.identities if str(identity) not in certificates)


def _secrets(state: NodeState, certificates: Mapping[str, Certificate]) -> Iterator[Part]:
    for anchor in state.anchors:
        yield Part(SDS, anchor_secret(anchor.member), secrets.anchor, (anchor,))
    for bundle in state.foreign:
        if bundle.anchors:
            yield Part(SDS, foreign_secret(bundle.trust_domain), secrets.foreign, (bundle,))
    for identity in state.identities:
        leaf = certificates.get(str(identity))
        if leaf is not None:
            yield Part(SDS, str(identity), secrets.certificate, (str(identity), leaf.chain, leaf.key))
    if state.gateway is not None:
        yield Part(SDS, PEERS_SECRET, secrets.peers, (state.anchors, state.gateway.admitted))
        yield Part(SDS, ANCHORS_SECRET, secrets.peers_anchors, (state.anchors, state.gateway.admitted))
