"""The role node: imports, pools and workloads -> captures, listeners and clusters (design section 8, Capture)."""

from collections.abc import Iterable, Mapping
from ipaddress import ip_address

from msgspec import Struct

from federation.law.shares import Ruling
from federation.model.handout import Candidate, Import, Listener, Peer, Pool, Site, Workload
from federation.model.names import ServiceKey
from federation.model.spiffe import SpiffeId, account, trust_domain
from federation.model.standing import UNKNOWN, Standing
from gateways.evidence import Evidence, with_sick
from gateways.services import hosts_of, is_http, own_endpoints, port_label, route_of, sni_of, streams_of
from gateways.state import Capture, Cluster, Host, Locality, NodeListener, Route, Situation, SourceChain
from gateways.steer import Steering


class Outbound(Struct, frozen=True, kw_only=True):
    """What the imports ask of a node."""

    captures: tuple[Capture, ...]
    clusters: tuple[Cluster, ...]
    routes: tuple[Route, ...]
    listeners: tuple[NodeListener, ...]
    identities: tuple[SpiffeId, ...]
    steering: Steering


class Acting(Struct, frozen=True):
    """A workload on this node: its identity and the addresses that are its alone."""

    identity: SpiffeId
    sources: tuple[str, ...]


def plan_outbound(
    situation: Situation,
    site: Site,
    peers: tuple[Peer, ...],
    imports: Iterable[Import],
    pools: Iterable[Pool],
    workloads: Iterable[Workload],
    evidence: Evidence,
    problems: list[str],
) -> Outbound:
    """One listener and one capture an import port, one cluster a port and workload."""
    acting = acting_workloads(site, workloads, problems)
    by_name: dict[str, Peer] = {p.member: p for p in peers}
    by_service = own_endpoints(with_sick(pools, evidence.sick))
    steering = Steering(site.member, by_name, by_service, evidence)
    world = _World(situation, site, by_name, by_service, acting, steering, evidence)
    captures: list[Capture] = []
    clusters: list[Cluster] = []
    listeners: list[NodeListener] = []
    used: dict[int, str] = {}
    for item in imports:
        for port in item.ports:
            if port.protocol != "TCP":
                continue
            name = _base_name(item, port)
            if used.setdefault(port.listener, name) != name:
                problems.append(f"E121 {name}: listener port {port.listener} belongs to {used[port.listener]}")
                continue
            captures.extend(_capture(situation, item, port, problems))
            made = _clusters(world, item, port)
            clusters.extend(made)
            listeners.append(_listener(world, item, port, made))
    return Outbound(
        captures=tuple(sorted(captures)),
        clusters=tuple(clusters),
        routes=tuple(route_of(cluster) for cluster in clusters if cluster.http),
        listeners=tuple(listeners),
        identities=tuple(a.identity for a in acting),
        steering=steering,
    )


def acting_workloads(site: Site, workloads: Iterable[Workload], problems: list[str]) -> tuple[Acting, ...]:
    """Who acts from which address. An address that two workloads claim belongs to the first by name."""
    domain = trust_domain(site.member, site.domain)
    owner: dict[str, SpiffeId] = {}
    found: list[Acting] = []
    for workload in sorted(workloads, key=lambda w: (w.namespace, w.account)):
        identity = account(domain, workload.namespace, workload.account)
        mine: list[str] = []
        for address in sorted(set(workload.addresses)):
            if owner.setdefault(address, identity) == identity:
                mine.append(address)
            else:
                problems.append(f"E105 {identity}: address {address} already acts as {owner[address]}")
        if mine:
            found.append(Acting(identity, tuple(mine)))
    return tuple(found)


class _World(Struct, frozen=True):
    situation: Situation
    site: Site
    peers: Mapping[str, Peer]
    pools: Mapping[ServiceKey, tuple[Pool, ...]]
    acting: tuple[Acting, ...]
    steering: Steering
    evidence: Evidence


def _capture(situation: Situation, item: Import, port: Listener, problems: list[str]) -> Iterable[Capture]:
    version = ip_address(situation.address).version
    caught = [address for address in item.addresses if ip_address(address).version == version]
    if item.addresses and not caught:
        problems.append(
            f"E122 service {item.service}: clusterset IP {', '.join(item.addresses)} and agent address "
            f"{situation.address} are of different families; it is not captured"
        )
    for address in caught:
        yield Capture(address, port.port, port.listener)


def _base_name(item: Import, port: Listener) -> str:
    return f"out/{item.service}/{port_label(port.name, port.port)}"


def _clusters(world: _World, item: Import, port: Listener) -> tuple[Cluster, ...]:
    base = _base_name(item, port)
    http = is_http(port.app_protocol)
    member = world.site.member
    offering = [c for c in item.candidates if port.name in c.ports]
    local = hosts_of(world.pools.get(item.service, ()), port.name)
    candidates = reachable(offering, world, local)
    localities = tuple(_localities(world, candidates, world.steering.rule(item, candidates), local))
    remotes = tuple(sorted(c.member for c in offering if c.member in world.peers))
    sni = sni_of(item.service, port_label(port.name, port.port))
    made = [
        Cluster(
            name=f"{base}/{'/'.join(acting.identity.segments)}",
            local=member,
            localities=localities,
            identity=acting.identity,
            remotes=remotes,
            sni=sni,
            http=http,
            resilience=item.policy.resilience,
            affinity=item.policy.affinity,
        )
        for acting in world.acting
    ]
    if local:
        only = (Locality(member, world.site.region, 1, local),)
        made.append(
            Cluster(
                name=f"{base}/local",
                local=member,
                localities=only,
                http=http,
                resilience=item.policy.resilience,
                affinity=item.policy.affinity,
            )
        )
    return tuple(made)


def reachable(offering: Iterable[Candidate], world: _World, local: tuple[Host, ...]) -> list[Candidate]:
    """The candidates that traffic can reach from here: the own member with endpoints, others with a gateway."""
    return [
        c
        for c in offering
        if (c.member == world.site.member and local) or (c.member in world.peers and world.peers[c.member].gateways)
    ]


def _localities(
    world: _World, candidates: list[Candidate], ruling: Ruling, local: tuple[Host, ...]
) -> Iterable[Locality]:
    for candidate in sorted(candidates, key=lambda c: (c.member != world.site.member, c.member)):
        share = ruling.of(candidate.member)
        standby = ruling.standby.index(candidate.member) + 1 if candidate.member in ruling.standby else 0
        if candidate.member == world.site.member:
            yield Locality(candidate.member, world.site.region, share, local, standby)
            continue
        peer = world.peers[candidate.member]
        hosts = _gateways(peer, world.evidence.ways, bool(share or standby))
        yield Locality(candidate.member, peer.region, share, hosts, standby)


def _gateways(peer: Peer, ways: Mapping[str, Standing], wanted: bool) -> tuple[Host, ...]:
    """The peer's gateways. Unready are those of a member that shall get nothing, so that they do not pass for a way
    out, and while one of them can be reached those that cannot.
    """
    up = {g.overlay for g in peer.gateways if ways.get(g.overlay, UNKNOWN).up}
    bad = {g.overlay for g in peer.gateways if not wanted or (up and g.overlay not in up)}
    return tuple(sorted(Host(g.overlay, g.port, "unready" if g.overlay in bad else "ready") for g in peer.gateways))


def _listener(world: _World, item: Import, port: Listener, clusters: tuple[Cluster, ...]) -> NodeListener:
    by_identity = {cluster.identity: cluster.name for cluster in clusters}
    return NodeListener(
        name=_base_name(item, port),
        address=world.situation.address,
        port=port.listener,
        http=is_http(port.app_protocol),
        chains=tuple(SourceChain(a.identity, a.sources, by_identity[a.identity]) for a in world.acting),
        default=by_identity.get(None, ""),
        service=str(item.service),
        streams=streams_of(is_http(port.app_protocol), item.policy),
    )
