"""What is the node's and not a service's: peers and the ways to them, who acts here, whom to trust. Pure."""

from collections.abc import Iterable, Mapping
from typing import TypeVar

from federation.model.handout import ForeignBundle, JwtBundle, Peer, Site
from federation.model.spiffe import SpiffeId, gateway_id, trust_domain
from federation.model.standing import Standing
from federation.model.tokens import Authorities
from federation.wire.keyed import of_kind
from gateways.evidence import Evidence, way_to
from gateways.identity.authorities import authorities_of, outside
from gateways.identity.registered import registered_workloads
from gateways.known import Known, Touched
from gateways.peers import accept_peers, admitted_of, anchors_of, measured, own_overlay, tunnel_peers
from gateways.state import BEARER, Admitted, Anchor, Registered, Situation, Tunnel
from gateways.view import Acting, View
from gateways.workloads import acting_workloads

T = TypeVar("T")


class NodeParts:
    """Each part stays the same object until it is another."""

    def __init__(self, situation: Situation) -> None:
        self._situation = situation
        self._ways: Mapping[str, Standing] = {}
        self._paths: dict[str, Standing] = {}
        self._mtus: Mapping[str, int] = {}
        self._problems: dict[str, tuple[str, ...]] = {}
        self.peers: dict[str, Peer] = {}
        self.tunnel: Tunnel | None = None
        self.admitted: tuple[Admitted, ...] = ()
        self.anchors: tuple[Anchor, ...] = ()
        self.acting: tuple[Acting, ...] = ()
        self.identities: tuple[SpiffeId, ...] = ()
        self.registered: tuple[Registered, ...] = ()
        self.authorities: tuple[Authorities, ...] = ()
        self.foreign: tuple[ForeignBundle, ...] = ()
        self.problems: tuple[str, ...] = ()

    def take(self, known: Known, site: Site, touched: Touched) -> set[str]:
        """Work out anew what hangs on what was touched; the members whose gateways or region are others now."""
        moved: set[str] = set()
        if touched.site or touched.peers:
            moved = self._take_peers(site, known.peers.values())
        if touched.site or touched.workloads:
            self._take_workloads(known, site)
        if self._situation.role == "node" and (touched.site or touched.peers or touched.bundles):
            self._take_bundles(known, site)
        found = tuple(line for part in sorted(self._problems) for line in self._problems[part])
        self.problems = kept(self.problems, found)
        return moved

    def see(self, ways: Mapping[str, Standing], moved: Iterable[str]) -> set[str]:
        """The members to which the ways are others than at the last look; `moved` are looked at in any case."""
        members = set(moved)
        if ways is not self._ways:
            different = {a for a in ways.keys() | self._ways.keys() if ways.get(a) != self._ways.get(a)}
            owner = {g.overlay: peer.member for peer in self.peers.values() for g in peer.gateways}
            members |= {owner[address] for address in different if address in owner}
            self._ways = ways
        for member in members:
            if member in self.peers:
                self._paths[member] = way_to(self.peers[member], ways)
            else:
                self._paths.pop(member, None)
        return members

    def measure(self, mtus: Mapping[str, int]) -> None:
        """Take up how large packets may be; whoever is not named may get the largest."""
        if mtus is not self._mtus:
            self._mtus = mtus
            self.tunnel = None if self.tunnel is None else kept(self.tunnel, measured(self.tunnel, mtus))

    def view(self, site: Site, az: str, evidence: Evidence) -> View:
        """What services are planned against now."""
        return View(
            situation=self._situation,
            site=site,
            az=az,
            peers=self.peers,
            paths=self._paths,
            ways=self._ways,
            acting=self.acting,
            now=evidence.now,
        )

    def _take_peers(self, site: Site, found: Iterable[Peer]) -> set[str]:
        problems: list[str] = []
        accepted = accept_peers(site, found, problems, self._situation.public_key)
        before, self.peers = self.peers, {peer.member: peer for peer in accepted}
        self.anchors = kept(self.anchors, anchors_of(site, accepted))
        if self._situation.role == "gateway":
            self.admitted = kept(self.admitted, admitted_of(accepted))
            self.tunnel = kept(self.tunnel, self._tunnel(site, accepted, problems))
            self.identities = kept(self.identities, (gateway_id(trust_domain(site.member, site.domain)),))
        self._problems["1 peers"] = tuple(problems)
        members = before.keys() | self.peers.keys()
        return {member for member in members if _steers(before.get(member)) != _steers(self.peers.get(member))}

    def _tunnel(self, site: Site, accepted: tuple[Peer, ...], problems: list[str]) -> Tunnel:
        address = own_overlay(self._situation, site)
        tunnel = Tunnel(
            device=self._situation.device,
            private_key=self._situation.private_key,
            listen_port=self._situation.listen_port,
            address=address or "",
            peers=tuple(tunnel_peers(site, accepted, problems)),
        )
        return measured(tunnel, self._mtus)

    def _take_workloads(self, known: Known, site: Site) -> None:
        if self._situation.role == "gateway":
            return
        if self._situation.role == "xds":
            self.acting = kept(self.acting, (Acting(SpiffeId(trust_domain(site.member, site.domain), (BEARER,)), ()),))
            return
        problems: list[str] = []
        self.acting = kept(self.acting, acting_workloads(site, known.workloads.values(), problems))
        self.identities = kept(self.identities, tuple(one.identity for one in self.acting))
        self.registered = kept(self.registered, registered_workloads(site, known.workloads.values()))
        self._problems["2 workloads"] = tuple(problems)

    def _take_bundles(self, known: Known, site: Site) -> None:
        problems: list[str] = []
        bundles = [known.bundles[key] for key in sorted(known.bundles)]
        authorities = authorities_of(self.anchors, of_kind(bundles, JwtBundle), problems)
        self.foreign = kept(self.foreign, outside(site.domain, of_kind(bundles, ForeignBundle), problems))
        authorities += tuple(Authorities(one.trust_domain, one.keys) for one in self.foreign)
        self.authorities = kept(self.authorities, authorities)
        self._problems["3 bundles"] = tuple(problems)


def kept(before: T, now: T) -> T:
    """What stood before where it is the same, so that to be the same object is to be unchanged."""
    return before if before == now else now


def _steers(peer: Peer | None) -> object:
    """What services see of a peer: its anchor is none of it."""
    return None if peer is None else (peer.region, peer.gateways)
