"""The role node, one import: captures, listeners and clusters of one service (design section 8, Capture). Pure."""

from collections.abc import Iterable, Mapping
from ipaddress import ip_address

from federation.law.shares import Ruling
from federation.model.handout import Candidate, Import, Listener, Peer
from federation.model.standing import UNKNOWN, Standing
from gateways.services import checked_endpoints, hosts_of, is_http, port_label, sni_of
from gateways.state import Capture, Cluster, Host, Locality, NodeListener, ServiceState, SourceChain
from gateways.steer import Steering
from gateways.view import Imported, View


def plan_import(view: View, service: Imported) -> ServiceState:
    """One listener and one capture a TCP port, one cluster a port and workload."""
    item = service.item
    steering = Steering(view, service)
    problems: list[str] = []
    ports = [port for port in item.ports if port.protocol == "TCP" and _is_own(service, port, problems)]
    clusters = {port: _clusters(view, service, port, steering) for port in ports}
    return ServiceState(
        captures=tuple(_captures(view, item, ports, problems)),
        clusters=tuple(cluster for port in ports for cluster in clusters[port]),
        listeners=tuple(_listener(view, item, port, clusters[port]) for port in ports),
        checked=checked_endpoints(item.service, service.pools, item.policy.probe),
        in_use=tuple(sorted(steering.in_use)),
        until=steering.until,
        held=steering.held,
        problems=tuple(problems),
    )


def base_name(item: Import, port: Listener) -> str:
    """What listener and clusters of a port are called after: `out/<namespace>/<name>/<port>`."""
    return f"out/{item.service}/{port_label(port.name, port.port)}"


def _is_own(service: Imported, port: Listener, problems: list[str]) -> bool:
    name, owner = base_name(service.item, port), service.owners[port.listener]
    if owner != name:
        problems.append(f"E121 {name}: listener port {port.listener} belongs to {owner}")
    return owner == name


def _captures(view: View, item: Import, ports: Iterable[Listener], problems: list[str]) -> Iterable[Capture]:
    own = view.situation.address
    version = ip_address(own).version
    caught = [address for address in item.addresses if ip_address(address).version == version]
    if item.addresses and not caught:
        problems.append(
            f"E122 service {item.service}: clusterset IP {', '.join(item.addresses)} and agent address "
            f"{own} are of different families; it is not captured"
        )
    return [Capture(address, port.port, port.listener) for port in ports for address in caught]


def _clusters(view: View, service: Imported, port: Listener, steering: Steering) -> tuple[Cluster, ...]:
    item, member = service.item, view.site.member
    base = base_name(item, port)
    http = is_http(port.app_protocol)
    offering = [c for c in item.candidates if port.name in c.ports]
    local = hosts_of(service.pools, port.name)
    candidates = reachable(offering, view, local)
    localities = tuple(_localities(view, candidates, steering.rule(candidates), local))
    remotes = tuple(sorted(c.member for c in offering if c.member in view.peers))
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
        )
        for acting in view.acting
    ]
    if local:
        only = (Locality(member, view.site.region, 1, local),)
        made.append(Cluster(name=f"{base}/local", local=member, localities=only, http=http))
    return tuple(made)


def reachable(offering: Iterable[Candidate], view: View, local: tuple[Host, ...]) -> list[Candidate]:
    """The candidates that traffic can reach from here: the own member with endpoints, others with a gateway."""
    return [
        c
        for c in offering
        if (c.member == view.site.member and local) or (c.member in view.peers and view.peers[c.member].gateways)
    ]


def _localities(view: View, candidates: list[Candidate], ruling: Ruling, local: tuple[Host, ...]) -> Iterable[Locality]:
    shares = {share.member: share.ppm for share in ruling.shares}
    places = {member: place for place, member in enumerate(ruling.standby, 1)}
    for candidate in sorted(candidates, key=lambda c: (c.member != view.site.member, c.member)):
        share, standby = shares.get(candidate.member, 0), places.get(candidate.member, 0)
        if candidate.member == view.site.member:
            yield Locality(candidate.member, view.site.region, share, local, standby)
            continue
        peer = view.peers[candidate.member]
        hosts = _gateways(peer, view.ways, bool(share or standby))
        yield Locality(candidate.member, peer.region, share, hosts, standby)


def _gateways(peer: Peer, ways: Mapping[str, Standing], wanted: bool) -> tuple[Host, ...]:
    """The peer's gateways. Unready are those of a member that shall get nothing, so that they do not pass for a way
    out, and while one of them can be reached those that cannot.
    """
    up = {g.overlay for g in peer.gateways if ways.get(g.overlay, UNKNOWN).up}
    bad = {g.overlay for g in peer.gateways if not wanted or (up and g.overlay not in up)}
    return tuple(sorted(Host(g.overlay, g.port, "unready" if g.overlay in bad else "ready") for g in peer.gateways))


def _listener(view: View, item: Import, port: Listener, clusters: tuple[Cluster, ...]) -> NodeListener:
    by_identity = {cluster.identity: cluster.name for cluster in clusters}
    return NodeListener(
        name=base_name(item, port),
        address=view.situation.address,
        port=port.listener,
        http=is_http(port.app_protocol),
        chains=tuple(SourceChain(a.identity, a.sources, by_identity[a.identity]) for a in view.acting),
        default=by_identity.get(None, ""),
    )
