"""What is the node's and not a service's: peers and the ways to them, who acts here, whom to trust. Pure."""

from collections.abc import Container, Iterable, Mapping
from operator import is_
from typing import TypeVar

from federation.model.confine import Confined
from federation.model.flat import had_range
from federation.model.handout import ForeignBundle, JwtBundle, OwnGateway, OwnNode, Peer, Site
from federation.model.overlay import rail_key
from federation.model.spiffe import SpiffeId, gateway_id, trust_domain
from federation.model.standing import Standing
from federation.model.tokens import Authorities
from federation.wire.keyed import of_kind
from gateways import tunnels
from gateways.evidence import Evidence, way_to
from gateways.flat import flat_peers_of, kept_pods, nodes_pods, own_pods, sources_of, unreached_pods
from gateways.flat_state import FlatPeer, Kept, PodRange, Source
from gateways.identity.authorities import authorities_of, outside
from gateways.identity.registered import registered_workloads
from gateways.known import Known, Touched
from gateways.peers import accept_peers, admitted_of, anchors_of, own_overlay
from gateways.state import BEARER, Admitted, Anchor, Preshared, Registered, Situation, Tunnel
from gateways.view import Acting, View
from gateways.workloads import acting_workloads

T = TypeVar("T")


class NodeParts:
    """Each part stays the same object until it is another."""

    def __init__(self, situation: Situation) -> None:
        self._situation = situation
        self._ways: Mapping[str, Standing] = {}
        self._paths: dict[str, Standing] = {}
        self._seen: tuple[object, ...] = ()
        self._inside: tuple[Tunnel, ...] = ()
        self._behind: dict[str, tuple[str, ...]] = {}
        self._problems: dict[str, tuple[str, ...]] = {}
        self.peers: dict[str, Peer] = {}
        self.overlay = ""
        self.devices: tuple[Tunnel, ...] = ()
        self.tunnels: tuple[Tunnel, ...] = ()
        self.admitted: tuple[Admitted, ...] = ()
        self.anchors: tuple[Anchor, ...] = ()
        self.acting: tuple[Acting, ...] = ()
        self.identities: tuple[SpiffeId, ...] = ()
        self.registered: tuple[Registered, ...] = ()
        self.authorities: tuple[Authorities, ...] = ()
        self.foreign: tuple[ForeignBundle, ...] = ()
        self.flat_peers: tuple[FlatPeer, ...] = ()
        self.pods: tuple[PodRange, ...] = ()
        self.beside: tuple[str, ...] = ()
        self.sources: tuple[Source, ...] = ()
        self.egress: tuple[str, ...] = ()
        self.confined: tuple[Confined, ...] = ()
        self.kept: tuple[Kept, ...] = ()
        self.problems: tuple[str, ...] = ()

    def stand(self, situation: Situation) -> None:
        """Be told of other keys; what hangs on them is worked out anew with the next `take` whose site is touched."""
        self._situation = situation

    def take(self, known: Known, site: Site, touched: Touched) -> set[str]:
        """Work out anew what hangs on what was touched; the members whose gateways or region are others now."""
        moved: set[str] = set()
        links = touched.site or touched.peers or touched.inner
        if links:
            moved = self._take_peers(site, known)
            self._take_pods(site, known)
        if links or touched.sighted:
            self._take_tunnels(known, site, touched)
        if touched.site or touched.workloads:
            self._take_workloads(known, site)
            self.egress = kept(self.egress, site.egress)
            self.sources = kept(self.sources, sources_of(known.workloads.values(), known.egress))
        if touched.confined:
            self.confined = tuple(known.confined[key] for key in sorted(known.confined))
        if links or touched.workloads or touched.confined:
            self.kept = kept(self.kept, kept_pods(known.workloads.values(), self.flat_peers, self.confined))
        if self._situation.role == "node" and (touched.site or touched.peers or touched.bundles):
            self._take_bundles(known, site)
        found = tuple(line for part in sorted(self._problems) for line in self._problems[part])
        self.problems = kept(self.problems, found)
        return moved

    def see(self, found: Mapping[str, Standing], moved: Iterable[str]) -> set[str]:
        """The members to which the ways are others than at the last look; `moved` are looked at in any case."""
        members, ways = set(moved), self._unscoped(found)
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

    def _unscoped(self, found: Mapping[str, Standing]) -> Mapping[str, Standing]:
        return kept(self._ways, tunnels.unscoped(found))

    def lead(self, ways: Mapping[str, Standing], mtus: Mapping[str, int], preshared: Preshared) -> None:
        """Lead to every peer over the tunnels that get there, in packets of the size that passes."""
        seen = (self.devices, self.peers, ways, mtus, preshared)
        if self._seen and all(map(is_, seen, self._seen)):
            return
        self._seen = seen
        peers = self.peers.values()
        if self._situation.role == "gateway":
            rails = tunnels.sealed((one for one in self.devices if one.rail and not one.spare), preshared)
            made = (
                *tunnels.led(rails, self._situation.node, peers, ways, mtus),
                *(one for one in self.devices if not one.rail),
                *tunnels.sealed((one for one in self.devices if one.rail and one.spare), preshared),
            )
        else:
            made = tunnels.spread(self.devices, self._situation.node, peers, ways, mtus)
        self.tunnels = kept(self.tunnels, made)

    def probed(self, in_use: Container[str]) -> dict[str, bool]:
        """The ways to probe, True for those to a member that gets requests."""
        gateways = [(g.overlay, peer.member in in_use) for peer in self.peers.values() for g in peer.gateways]
        outwards = [one for one in self.devices if not (one.inwards or one.spare)]
        if self._situation.role == "gateway" or not outwards:
            return dict(gateways)
        return {tunnels.scoped(at, one.device): busy for at, busy in gateways for one in outwards}

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
            flat=bool(self.flat_peers),
            pods=self.pods,
            confined=self.confined,
        )

    def _take_peers(self, site: Site, known: Known) -> set[str]:
        problems: list[str] = []
        hosts = tunnels.hosts_of(self._situation, of_kind(known.inner.values(), OwnGateway))
        accepted = accept_peers(site, known.peers.values(), problems, self._situation.public_key, hosts)
        self.flat_peers = kept(self.flat_peers, flat_peers_of(accepted))
        before, self.peers = self.peers, {peer.member: peer for peer in accepted}
        self.anchors = kept(self.anchors, anchors_of(site, accepted))
        if self._situation.role == "gateway":
            self.admitted = kept(self.admitted, admitted_of(accepted))
            self.identities = kept(self.identities, (gateway_id(trust_domain(site.member, site.domain)),))
        self._problems["1 peers"] = tuple(problems)
        members = before.keys() | self.peers.keys()
        return {member for member in members if _steers(before.get(member)) != _steers(self.peers.get(member))}

    def _take_pods(self, site: Site, known: Known) -> None:
        situation, problems = self._situation, list[str]()
        if situation.role == "node":
            self.pods = kept(self.pods, own_pods(situation.pods or known.pods, site, problems))
        elif situation.role == "gateway":
            nodes = of_kind(known.inner.values(), OwnNode)
            here = {one.node for one in nodes if tunnels.beside(situation, one)}
            pods = nodes_pods(nodes, site, problems)
            self._behind = {name: ranges for name, ranges in pods.items() if name not in here}
            problems += unreached_pods(self._behind, bool(situation.inside), self.flat_peers)
            behind = (PodRange(text, text) for ranges in self._behind.values() for text in ranges)
            self.pods = kept(self.pods, tuple(sorted(behind)))
            own = {text for name in here for text in pods[name]}
            self.beside = kept(self.beside, tuple(sorted(own | {had_range(text, site.images) for text in own})))
        self._problems["5 pods"] = tuple(problems)

    def _take_tunnels(self, known: Known, site: Site, touched: Touched) -> None:
        situation, inner, problems = self._situation, known.inner.values(), list[str]()
        if situation.role == "gateway":
            self.overlay = own_overlay(situation, site) or ""
            made = self._rails(situation, known, site)
            if situation.inside and (touched.site or touched.inner):
                nodes = of_kind(inner, OwnNode)
                self._inside = (tunnels.inside(situation, site, self.overlay, nodes, self._behind, problems),)
                self._problems["4 tunnels"] = tuple(problems)
            made += self._inside + self._take_spare(known, site)
        elif situation.role == "node":
            self.overlay = known.overlay
            flat = tuple(text for peer in self.flat_peers for text in peer.ranges)
            made = tunnels.to_gateways(situation, site, self.overlay, of_kind(inner, OwnGateway), flat, bool(self.pods))
        else:
            return
        self.devices = kept(self.devices, made)

    def _rails(self, situation: Situation, known: Known, site: Site) -> tuple[Tunnel, ...]:
        return tunnels.rails(situation, site, self.overlay, tuple(self.peers.values()), known.sighted.values())

    def _take_spare(self, known: Known, site: Site) -> tuple[Tunnel, ...]:
        """The devices under the other key, once its rail is given."""
        under = self._situation.spare
        if under is None or rail_key(under.node, under.slot) not in site.rails:
            return ()
        made = self._rails(under, known, site)
        if under.inside:
            nodes = of_kind(known.inner.values(), OwnNode)
            made += (tunnels.inside(under, site, self.overlay, nodes, self._behind, []),)
        return tunnels.spare(made)

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
