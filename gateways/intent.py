"""Handout and situation -> node state. Pure: equal input gives equal output, and nothing is looked up."""

from collections.abc import Iterable, Mapping
from ipaddress import ip_address, ip_network

from msgspec import Struct, structs

from federation.model.access import rules_at
from federation.model.cidr import Network, first_overlap
from federation.model.handout import ForeignBundle, Import, JwtBundle, Offer, Peer, PeerGateway, Pool, Site, Workload
from federation.model.names import ServiceKey
from federation.model.policy import Probe
from federation.model.spiffe import SpiffeId, gateway_id, trust_domain
from federation.model.tokens import Authorities
from federation.wire.keyed import of_kind
from gateways.evidence import NOTHING, Evidence, with_sick
from gateways.identity.authorities import authorities_of, outside
from gateways.identity.registered import registered_workloads
from gateways.outbound import Outbound, plan_outbound
from gateways.services import hosts_of, is_http, own_endpoints, port_label, route_of, sni_of, streams_of
from gateways.state import (
    GATEWAY_PORT,
    NOBODY,
    Access,
    Admitted,
    Anchor,
    Checked,
    Cluster,
    GatewayListener,
    Locality,
    NodeState,
    Offered,
    Route,
    Situation,
    Tunnel,
    WgPeer,
)


def intend(situation: Situation, values: Mapping[str, Struct], evidence: Evidence = NOTHING) -> NodeState:
    """What this node must have in force, by the handout and by what it has seen itself.

    Without a `Site` (no handout yet) that is nothing, and a problem says so.
    """
    ordered = [values[key] for key in sorted(values)]
    site = next(iter(of_kind(ordered, Site)), None)
    if site is None:
        return NodeState(situation=situation, known=False, problems=("E190 no handout yet",))
    problems: list[str] = []
    peers = accept_peers(site, of_kind(ordered, Peer), problems, situation.public_key)
    if situation.role == "gateway":
        return _gateway(situation, site, peers, ordered, evidence, problems)
    imports, pools = of_kind(ordered, Import), of_kind(ordered, Pool)
    outbound = plan_outbound(
        situation,
        site,
        peers,
        imports,
        pools,
        of_kind(ordered, Workload),
        evidence,
        problems,
    )
    probes = {item.service: item.policy.probe for item in imports}
    authorities = authorities_of(anchors_of(site, peers), of_kind(ordered, JwtBundle), problems)
    foreign = outside(site.domain, of_kind(ordered, ForeignBundle), problems)
    authorities += tuple(Authorities(one.trust_domain, one.keys) for one in foreign)
    state = _node(situation, site, peers, outbound, checked_endpoints(pools, probes), problems)
    registered = registered_workloads(site, of_kind(ordered, Workload))
    return structs.replace(state, registered=registered, authorities=authorities, foreign=foreign)


def accept_peers(site: Site, peers: Iterable[Peer], problems: list[str], own_key: bytes = b"") -> tuple[Peer, ...]:
    """The peers whose overlay prefix and gateway keys are theirs alone; the later of two claimants is refused.

    WireGuard itself would silently move a prefix to the last claimant, so ownership is decided here. Order is the
    admission number: the elder keeps what it has.
    """
    taken: list[Network] = [ip_network(site.overlay)]
    keys: set[bytes] = {own_key} if own_key else set()
    accepted: list[Peer] = []
    for peer in sorted(peers, key=lambda p: (p.number, p.member)):
        if peer.member == site.member:
            continue
        wrong = _wrong_with(peer, site, taken, keys)
        if wrong:
            problems.append(f"{wrong}; the peer is left out")
            continue
        taken.append(ip_network(peer.overlay))
        keys.update(gateway.key for gateway in peer.gateways)
        accepted.append(peer)
    return tuple(accepted)


def _wrong_with(peer: Peer, site: Site, taken: list[Network], keys: set[bytes]) -> str | None:
    try:
        prefix = ip_network(peer.overlay)
        outside = [g.overlay for g in peer.gateways if ip_address(g.overlay) not in prefix]
    except ValueError as error:
        return f"E101 peer {peer.member}: {error}"
    other = first_overlap(prefix, taken)
    if other is not None:
        return f"E101 peer {peer.member}: overlay {prefix} overlaps {other}, which has another owner"
    if outside:
        return f"E121 peer {peer.member}: gateway address {outside[0]} lies outside its overlay {prefix}"
    if peer.trust_domain != trust_domain(peer.member, site.domain):
        return f"E107 peer {peer.member}: trust domain {peer.trust_domain} is not its own"
    if len({g.key for g in peer.gateways} - keys) != len(peer.gateways):
        return f"E121 peer {peer.member}: a WireGuard key of its gateways is used twice"
    return None


def anchors_of(site: Site, peers: tuple[Peer, ...]) -> tuple[Anchor, ...]:
    """The own member's first, then the peers' by name."""
    own = Anchor(site.member, trust_domain(site.member, site.domain), site.anchor)
    return (own, *(Anchor(p.member, p.trust_domain, p.anchor) for p in sorted(peers, key=lambda p: p.member)))


def checked_endpoints(pools: Iterable[Pool], probes: Mapping[ServiceKey, Probe | None]) -> tuple[Checked, ...]:
    """The own endpoints that a policy wants probed: at the probe's port, else at their first TCP port."""
    found = set()
    for pool in pools:
        probe = probes.get(pool.service)
        ports = [port.port for port in pool.ports if port.protocol == "TCP"]
        if probe is None or not (probe.port or ports):
            continue
        port = probe.port or ports[0]
        found |= {Checked(pool.service, e.address, port, probe) for e in pool.endpoints if e.state != "draining"}
    return tuple(sorted(found, key=lambda one: (one.service, one.address, one.port)))


def _node(
    situation: Situation,
    site: Site,
    peers: tuple[Peer, ...],
    outbound: Outbound,
    checked: tuple[Checked, ...],
    problems: list[str],
) -> NodeState:
    steering = outbound.steering
    return NodeState(
        situation=situation,
        region=site.region,
        captures=outbound.captures,
        clusters=outbound.clusters,
        routes=outbound.routes,
        listeners=outbound.listeners,
        anchors=anchors_of(site, peers),
        ledger=site.ledger,
        identities=outbound.identities,
        ways={g.overlay: peer.member in steering.in_use for peer in peers for g in peer.gateways},
        checked=checked,
        until=steering.until,
        held=steering.held,
        problems=tuple(problems),
    )


def _gateway(
    situation: Situation,
    site: Site,
    peers: tuple[Peer, ...],
    values: list[Struct],
    evidence: Evidence,
    problems: list[str],
) -> NodeState:
    address = own_overlay(situation, site)
    if address is None:
        return NodeState(situation=situation, known=False, problems=(f"E190 {situation.node} has no gateway id yet",))
    identity = gateway_id(trust_domain(site.member, site.domain))
    offers, pools = of_kind(values, Offer), of_kind(values, Pool)
    clusters, routes, offered = _offers(site, offers, with_sick(pools, evidence.sick))
    return NodeState(
        situation=situation,
        region=site.region,
        tunnel=Tunnel(
            device=situation.device,
            private_key=situation.private_key,
            listen_port=situation.listen_port,
            address=address,
            peers=tuple(tunnel_peers(site, peers, problems)),
        ),
        clusters=clusters,
        routes=routes,
        gateway=_listener(address, identity, peers, offered) if offered and peers else None,
        anchors=anchors_of(site, peers),
        ledger=site.ledger,
        identities=(identity,),
        ways={gateway.overlay: False for peer in peers for gateway in peer.gateways},
        checked=checked_endpoints(pools, {offer.service: offer.policy.probe for offer in offers}),
        problems=tuple(problems),
    )


def own_overlay(situation: Situation, site: Site) -> str | None:
    """The overlay address of this gateway: i of the member's prefix for the id i that the controller gave it."""
    number = site.gateways.get(situation.node)
    return None if number is None else str(ip_network(site.overlay)[number])


def tunnel_peers(site: Site, peers: tuple[Peer, ...], problems: list[str]) -> Iterable[WgPeer]:
    """One WireGuard peer a gateway. A lone gateway owns its member's whole prefix, one of several its own address.

    Of two members the one admitted first starts handshakes anew.
    """
    for peer in peers:
        for gateway in sorted(peer.gateways, key=lambda g: g.id):
            if len(gateway.key) != 32:
                problems.append(f"E121 peer {peer.member}: the key of gateway {gateway.id} is not 32 bytes")
                continue
            yield WgPeer(
                member=peer.member,
                gateway=gateway.id,
                key=gateway.key,
                endpoint=gateway.endpoint,
                allowed=(_owned(peer, gateway),),
                overlay=gateway.overlay,
                starts=site.number < peer.number,
            )


def _owned(peer: Peer, gateway: PeerGateway) -> str:
    if len(peer.gateways) == 1:
        return str(ip_network(peer.overlay))
    return str(ip_network(gateway.overlay))


def _offers(
    site: Site, offers: list[Offer], pools: list[Pool]
) -> tuple[tuple[Cluster, ...], tuple[Route, ...], tuple[Offered, ...]]:
    clusters: list[Cluster] = []
    routes: list[Route] = []
    offered: list[Offered] = []
    by_service = own_endpoints(pools)
    for offer in offers:
        for port in offer.ports:
            if port.protocol != "TCP":
                continue
            hosts = hosts_of(by_service.get(offer.service, ()), port.name)
            label = port_label(port.name, port.port)
            name = f"in/{offer.service}/{label}"
            http = is_http(port.app_protocol)
            local = (Locality(site.member, site.region, 1, hosts),)
            policy = offer.policy
            clusters.append(
                Cluster(
                    name=name,
                    local=site.member,
                    localities=local,
                    http=http,
                    resilience=policy.resilience,
                    affinity=policy.affinity,
                )
            )
            streams = streams_of(http, policy)
            access = Access(rules_at(port, offer.access), site.domain)
            if http:
                routes.append(route_of(clusters[-1], gateway=site.member, access=access))
            offered.append(
                Offered(
                    sni_of(offer.service, label),
                    name,
                    http,
                    str(offer.service),
                    streams,
                    access=NOBODY if http else access,
                    by_path=any(rule.paths for rule in access.rules),
                )
            )
    return tuple(clusters), tuple(routes), tuple(offered)


def _listener(
    address: str, identity: SpiffeId, peers: tuple[Peer, ...], offered: tuple[Offered, ...]
) -> GatewayListener:
    admitted = sorted(
        (Admitted(p.member, f"spiffe://{p.trust_domain}/", str(ip_network(p.overlay))) for p in peers),
        key=lambda a: a.member,
    )
    return GatewayListener(
        address=address, port=GATEWAY_PORT, identity=identity, admitted=tuple(admitted), offered=offered
    )
