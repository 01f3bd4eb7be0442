"""The role node, one import: captures, listeners and clusters of one service (design section 8, Capture). Pure."""

from collections.abc import Iterable, Mapping
from ipaddress import ip_address

from msgspec import Struct, structs

from federation.law.shares import Ruling
from federation.model.handout import Candidate, Import, Listener, Peer
from federation.model.names import ServiceKey
from federation.model.spiffe import SpiffeId
from federation.model.standing import UNKNOWN, Standing
from gateways.services import checked_endpoints, hosts_of, is_http, opened, port_label, route_of, sni_of, streams_of
from gateways.state import Capture, Cluster, Host, Locality, Mirror, NodeListener, Route, ServiceState, SourceChain
from gateways.steer import Steering
from gateways.view import Imported, View
from gateways.workloads import callers

STANDBYS = 16
"""Members that stand by, each in a priority of its own: Envoy refuses a load assignment with more than 128 of them."""


def plan_import(view: View, service: Imported) -> ServiceState:
    """One listener and one capture a TCP port, one cluster a port and workload."""
    item = service.item
    steering = Steering(view, service)
    problems: list[str] = []
    ports = [port for port in item.ports if port.protocol == "TCP" and _is_own(service, port, problems)]
    planned = {port: _port(view, service, port, steering) for port in ports}
    clusters = {port: _clusters(view, planned[port]) for port in ports}
    copies = {port: _copies(planned[port], clusters[port]) for port in ports}
    return ServiceState(
        captures=tuple(_captures(view, item, ports, problems)),
        clusters=tuple(one for port in ports for one in (*clusters[port], *copies[port].values())),
        routes=tuple(route for port in ports for route in _routes(planned[port], clusters[port], copies[port])),
        listeners=tuple(_listener(view, port, planned[port], clusters[port]) for port in ports),
        checked=checked_endpoints(item.service, service.pools, item.policy.probe),
        in_use=tuple(sorted(steering.in_use)),
        until=steering.until,
        held=steering.held,
        problems=tuple(problems),
    )


def _is_own(service: Imported, port: Listener, problems: list[str]) -> bool:
    name, owner = named(service.item.service, port_label(port.name, port.port)), service.owners[port.listener]
    if owner != name:
        problems.append(f"E121 {name}: listener port {port.listener} belongs to {owner}")
    return owner == name


def _captures(view: View, item: Import, ports: Iterable[Listener], problems: list[str]) -> Iterable[Capture]:
    """None where nothing is captured: sidecars are dialled."""
    own = view.situation.address
    if view.situation.role == "xds":
        return ()
    version = ip_address(own).version
    caught = [address for address in item.addresses if ip_address(address).version == version]
    if item.addresses and not caught:
        problems.append(
            f"E122 service {item.service}: clusterset IP {', '.join(item.addresses)} and agent address "
            f"{own} are of different families; it is not captured"
        )
    return [Capture(address, port.port, port.listener) for port in ports for address in caught]


class _Port(Struct, frozen=True, kw_only=True):
    """What is worked out of one port: `local` are the own hosts, `mirrors` the localities that get copies, `fallback`
    the service that takes the requests now, but not those of `kept`.
    """

    item: Import
    label: str
    http: bool
    sni: str
    local: tuple[Host, ...]
    localities: tuple[Locality, ...]
    mirrors: tuple[Locality, ...]
    remotes: tuple[str, ...]
    fallback: str = ""
    kept: frozenset[SpiffeId] = frozenset()

    def cluster(self, own: str, localities: tuple[Locality, ...], identity: SpiffeId | None = None) -> Cluster:
        """The cluster that workloads of this identity use."""
        return Cluster(
            name=f"{named(self.item.service, self.label)}/{caller(identity)}",
            local=own,
            localities=localities,
            identity=identity,
            remotes=self.remotes if identity else (),
            sni=self.sni if identity else "",
            http=self.http,
            resilience=self.item.policy.resilience,
            affinity=self.item.policy.affinity,
        )

    def instead(self, cluster: Cluster) -> str:
        """The cluster of the service that takes the requests now; "" when none does."""
        if not self.fallback or cluster.identity in self.kept:
            return ""
        service = ServiceKey(self.item.service.namespace, self.fallback)
        return f"{named(service, self.label)}/{caller(cluster.identity)}"


def named(service: ServiceKey, label: str) -> str:
    """What listener and clusters of a port are called after: `out/<namespace>/<name>/<port>`."""
    return f"out/{service}/{label}"


def caller(identity: SpiffeId | None) -> str:
    """The end of a cluster's name: whose it is."""
    return "local" if identity is None else "/".join(identity.segments)


def _port(view: View, service: Imported, port: Listener, steering: Steering) -> _Port:
    item = service.item
    label = port_label(port.name, port.port)
    offering = [c for c in item.candidates if port.name in c.ports]
    local = hosts_of(service.pools, port.name)
    candidates = reachable(offering, view, local)
    ruling = steering.rule(candidates)
    local = opened(local) if ruling.opened else local
    return _Port(
        item=item,
        label=label,
        http=is_http(port.app_protocol),
        sni=sni_of(item.service, label),
        local=local,
        localities=tuple(_localities(view, candidates, ruling, local, steering)),
        mirrors=tuple(_mirrors(view, candidates, local, steering)),
        remotes=tuple(sorted(c.member for c in offering if c.member in view.peers)),
        fallback=ruling.fallback,
        kept=_kept(view, ServiceKey(item.service.namespace, ruling.fallback)),
    )


def _kept(view: View, service: ServiceKey) -> frozenset[SpiffeId]:
    """Whoever may not call this service at other members."""
    if not view.confined:
        return frozenset()
    return frozenset(one.identity for one in set(view.acting) - set(callers(view, service)))


def _clusters(view: View, port: _Port) -> tuple[Cluster, ...]:
    """One a workload, and one of the own endpoints for whoever has no identity."""
    own = view.site.member
    made = tuple(port.cluster(own, port.localities, acting.identity) for acting in callers(view, port.item.service))
    if not port.local:
        return made
    return (*made, port.cluster(own, (Locality(own, view.site.region, 1, port.local, reason="local"),)))


def _copies(port: _Port, clusters: Iterable[Cluster]) -> dict[str, Cluster]:
    """By the name of a workload's cluster the one that gets copies of its requests. They leave only with an identity,
    and only requests are copied, not connections.
    """
    if not port.http or not port.mirrors:
        return {}
    return {
        one.name: structs.replace(one, name=f"{one.name}/mirror", localities=port.mirrors)
        for one in clusters
        if one.identity is not None
    }


def _routes(port: _Port, clusters: Iterable[Cluster], copies: Mapping[str, Cluster]) -> Iterable[Route]:
    mirror = port.item.policy.mirror
    for cluster in clusters if port.http else ():
        copy = copies.get(cluster.name)
        copied = None if copy is None or mirror is None else Mirror(copy.name, mirror.ppm)
        yield route_of(cluster, mirror=copied, fallback=port.instead(cluster))


def reachable(offering: Iterable[Candidate], view: View, local: tuple[Host, ...]) -> list[Candidate]:
    """The candidates that traffic can reach from here: the own member with endpoints, others with a gateway."""
    return [
        c
        for c in offering
        if (c.member == view.site.member and local) or (c.member in view.peers and view.peers[c.member].gateways)
    ]


def _localities(
    view: View, candidates: list[Candidate], ruling: Ruling, local: tuple[Host, ...], steering: Steering
) -> Iterable[Locality]:
    """The own member's first; those that stand by come after its zones that do."""
    shares = {share.member: share.ppm for share in ruling.shares}
    places = {member: place for place, member in enumerate(ruling.standby[:STANDBYS], 1)}
    later = 0
    for candidate in sorted(candidates, key=lambda c: (c.member != view.site.member, c.member)):
        share, standby = shares.get(candidate.member, 0), places.get(candidate.member, 0)
        region, hosts = _reached(view, candidate, local, bool(share or standby))
        why = steering.reason(candidate, ruling) if share or standby else ""
        whole = Locality(candidate.member, region, share, hosts, standby + later if standby else 0, reason=why)
        if candidate.member != view.site.member:
            yield whole
            continue
        zones = steering.in_zones(view, whole)
        later = max(one.standby for one in zones) if share else 0
        yield from zones


def _mirrors(
    view: View, candidates: list[Candidate], local: tuple[Host, ...], steering: Steering
) -> Iterable[Locality]:
    """Those that get copies, each by its ready endpoints."""
    for candidate in sorted(candidates, key=lambda c: c.member):
        if candidate.ready and steering.mirrored(candidate):
            region, hosts = _reached(view, candidate, local, wanted=True)
            yield Locality(candidate.member, region, candidate.ready, hosts, reason="mirror")


def _reached(view: View, candidate: Candidate, local: tuple[Host, ...], wanted: bool) -> tuple[str, tuple[Host, ...]]:
    """Where a candidate stands, and its hosts as seen from here."""
    if candidate.member == view.site.member:
        return view.site.region, local
    peer = view.peers[candidate.member]
    return peer.region, _gateways(peer, view.ways, wanted)


def _gateways(peer: Peer, ways: Mapping[str, Standing], wanted: bool) -> tuple[Host, ...]:
    """The peer's gateways. Unready are those of a member that shall get nothing, so that they do not pass for a way
    out, and while one of them can be reached those that cannot.
    """
    up = {g.overlay for g in peer.gateways if ways.get(g.overlay, UNKNOWN).up}
    bad = {g.overlay for g in peer.gateways if not wanted or (up and g.overlay not in up)}
    return tuple(sorted(Host(g.overlay, g.port, "unready" if g.overlay in bad else "ready") for g in peer.gateways))


def _listener(view: View, port: Listener, planned: _Port, clusters: tuple[Cluster, ...]) -> NodeListener:
    """TCP has no routes: there a fallback stands in the listener itself."""
    towards = {one.identity: one.name if planned.http else planned.instead(one) or one.name for one in clusters}
    return NodeListener(
        name=named(planned.item.service, planned.label),
        address=view.situation.address,
        port=port.listener,
        http=planned.http,
        chains=tuple(
            SourceChain(a.identity, a.sources, towards[a.identity]) for a in view.acting if a.identity in towards
        ),
        default=towards.get(None, ""),
        service=str(planned.item.service),
        streams=streams_of(planned.http, planned.item.policy),
    )
