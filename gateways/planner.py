"""The node state, kept up with handout and evidence: what changed is followed to the services that hang on it.

A step plans only those. The state is the same as one made from nothing (tests/properties/test_planner.py).
"""

from bisect import bisect_left, insort
from collections.abc import Iterable, Mapping
from itertools import chain
from operator import is_

from msgspec import Struct, structs

from federation.model.flat import Image
from federation.model.handout import Site
from federation.model.names import ServiceKey
from federation.model.overlay import RAILS, rail_key
from gateways.evidence import Evidence
from gateways.flat_state import FlatMode, Opening
from gateways.known import Known, Touched
from gateways.node_parts import NodeParts, kept
from gateways.peers import own_overlay
from gateways.service_states import ABSENT, Former, ServiceStates
from gateways.state import GATEWAY_PORT, Capture, GatewayListener, NodeState, ServiceState, Situation


class Planner:
    """Keeps `state`. One caller at a time."""

    def __init__(self, situation: Situation) -> None:
        self.state = NodeState(situation=situation, known=False)
        self._situation = situation
        self._moved = False
        self._known = Known()
        self._begin()

    def _begin(self) -> None:
        self._node = NodeParts(self._situation)
        self._services = ServiceStates(self._situation.role)
        self._seen: tuple[str, str, str] | None = None
        self._zones: tuple[str, Mapping[str, int]] = ("", {})
        self._used: tuple[object, ...] = (None, None, None)
        self._offering: list[ServiceKey] = []
        self._images: tuple[Image, ...] = ()

    def stand(self, situation: Situation) -> None:
        """From the next step on this agent has these keys."""
        self._moved = self._moved or situation != self._situation
        self._situation = situation
        self._node.stand(situation)

    def step(self, changed: Mapping[str, Struct | None], evidence: Evidence) -> Former:
        """Take up what changed in the handout (None: that key is gone) and what this node has seen by now.

        Gives back what stood before, of every service that is another now. Without a `Site` (no handout yet) there is
        nothing, and a problem says so.
        """
        touched = self._known.take(changed)
        site = self._known.site
        if site is None:
            return self._know_nothing("E190 no handout yet")
        if self._situation.role == "gateway" and own_overlay(self._situation, site) is None:
            return self._know_nothing(f"E190 {self._situation.node} has no gateway id yet")
        if self._situation.role == "gateway" and site.rails and not self._has_rail(site):
            text = f"{RAILS} gateways of this member carry already: enroll it when one of them has left"
            return self._know_nothing(f"E127 gateway {self._situation.node}: {text}")
        former = self._plan(site, touched, evidence)
        self._assemble(site, former, evidence)
        return former

    def _has_rail(self, site: Site) -> bool:
        return rail_key(self._situation.node, self._situation.slot) in site.rails

    def _know_nothing(self, why: str) -> Former:
        self.state = kept(self.state, NodeState(situation=self._situation, known=False, problems=(why,)))
        former: Former = dict(self._services.states)
        self._begin()
        return former

    def _plan(self, site: Site, touched: Touched, evidence: Evidence) -> Former:
        seen = (site.member, site.region, site.domain)
        everything = seen != self._seen
        if everything or self._moved:
            touched = Touched(site=True, confined=True, services=touched.services)
        self._moved = False
        acting, self._seen = self._node.acting, seen
        flat = self._flat_seen()
        moved = self._node.see(evidence.ways, self._node.take(self._known, site, touched))
        self._node.lead(evidence.ways, evidence.mtus, evidence.preshared)
        dirty = touched.services | self._known.candidates_of(moved)
        if everything or touched.confined or self._node.acting is not acting:
            dirty |= self._services.states.keys() | self._known.imports.keys() | self._known.offers.keys()
        self._images = site.images
        if flat != self._flat_seen():
            dirty |= self._services.states.keys() | self._known.offers.keys()
        zones = (self._known.az, site.zones)
        if zones != self._zones:
            self._zones = zones
            dirty |= self._known.by_zone()
        view = self._node.view(site, self._known.az, evidence)
        return self._services.plan(view, self._known, evidence, dirty)

    def _assemble(self, site: Site, former: Former, evidence: Evidence) -> None:
        node, services, before = self._node, self._services, self.state
        self.state = structs.replace(
            before,
            situation=self._situation,
            known=True,
            domain=site.domain,
            region=site.region,
            overlay=node.overlay,
            drained=kept(before.drained, evidence.drained),
            tunnels=node.tunnels,
            captures=self._captures(former),
            services=dict(services.states) if former else before.services,
            gateway=self._gateway(former),
            flat=self._flat(former),
            anchors=node.anchors,
            ledger=site.ledger,
            identities=node.identities,
            registered=node.registered,
            authorities=node.authorities,
            foreign=node.foreign,
            ways=self._ways(),
            until=services.until(),
            confined=node.confined,
            problems=kept(before.problems, node.problems + services.problems),
        )

    def _captures(self, former: Former) -> tuple[Capture, ...]:
        services = self._services
        if all((before or ABSENT).captures == services.of_now(key).captures for key, before in former.items()):
            return self.state.captures
        return tuple(sorted(chain.from_iterable(one.captures for one in services.states.values())))

    def _gateway(self, former: Former) -> GatewayListener | None:
        """The entrance of the role gateway, while there are offers and peers who may come for them."""
        services, admitted, held = self._services, self._node.admitted, self.state.gateway
        self._order_offering(former)
        if self._situation.role != "gateway" or not admitted:
            return None
        same = all((before or ABSENT).offered == services.of_now(key).offered for key, before in former.items())
        if same and held is not None and held.admitted is admitted and held.address == self._node.overlay:
            return held
        offered = tuple(chain.from_iterable(services.states[key].offered for key in self._offering))
        if not offered:
            return None
        return GatewayListener(
            address=self._node.overlay,
            port=GATEWAY_PORT,
            identity=self._node.identities[0],
            admitted=admitted,
            offered=offered,
        )

    def _flat_seen(self) -> object:
        """What the openings of all services hang on: a node keeps those of its own pods."""
        node = self._node
        return bool(node.flat_peers), node.pods if self._situation.role == "node" else (), self._images

    def _flat(self, former: Former) -> FlatMode | None:
        node, services, held = self._node, self._services, self.state.flat
        if not node.flat_peers:
            return None
        same = all((before or ABSENT).openings == services.of_now(key).openings for key, before in former.items())
        openings = held.openings if held is not None and same else _openings(services.states.values())
        made = FlatMode(node.flat_peers, node.pods, openings, node.beside, node.sources, node.egress, node.kept)
        return kept(held, made)

    def _order_offering(self, former: Former) -> None:
        """Keep the services with ports at the entrance in order, without looking at those that did not change."""
        for key, before in former.items():
            had, has = (before or ABSENT).offered, self._services.of_now(key).offered
            if has and not had:
                insort(self._offering, key)
            elif had and not has:
                del self._offering[bisect_left(self._offering, key)]

    def _ways(self) -> dict[str, bool]:
        used = (self._node.peers, self._services.in_use, self._node.devices)
        if all(map(is_, used, self._used)):
            return self.state.ways
        self._used = used
        return self._node.probed(self._services.in_use)


def _openings(states: Iterable[ServiceState]) -> tuple[Opening, ...]:
    return tuple(sorted(set(chain.from_iterable(one.openings for one in states))))
