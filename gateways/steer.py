"""The law for one import: each port ruled on with what the node has seen itself. Pure."""

from collections.abc import Iterable

from msgspec import structs

from federation.law.case import case_of
from federation.law.divide import apportion
from federation.law.shares import Ruling, rule
from federation.law.terms import names, place_in_order, resides
from federation.law.zones import OWN_ZONE, zone_parts
from federation.model.handout import Candidate
from federation.model.policy import Policy
from gateways.evidence import own_candidate
from gateways.state import Host, Locality
from gateways.view import Imported, View


class Steering:
    """Rules on the ports of one import and gathers what the rulings ask of the node.

    `in_use` are members that get requests, `until` the Unix millisecond at which age alone changes a share (0: none),
    `held` the own candidate that the next ruling builds on.
    """

    def __init__(self, view: View, service: Imported) -> None:
        self._own = view.site.member
        self._service = service
        self._case = case_of(service.item, self._own, view.site.region, view.paths, view.now)
        self.in_use: set[str] = set()
        self.until = 0
        self.held: Candidate | None = None

    @property
    def policy(self) -> Policy:
        """The one in force for the service."""
        return self._case.policy

    def rule(self, candidates: Iterable[Candidate]) -> Ruling:
        """The ruling on those candidates of this import that can be reached from here."""
        ruling = rule([self._seen(candidate) for candidate in candidates], self._case)
        self.in_use.update(share.member for share in ruling.shares)
        if ruling.until:
            self.until = min(self.until or ruling.until, ruling.until)
        return ruling

    def reason(self, candidate: Candidate, ruling: Ruling) -> str:
        """In a word, why this candidate gets requests, or will: the last of the law's rules that concerns it."""
        case, policy = self._case, self._case.policy
        if candidate.member in ruling.standby:
            return "standby"
        if any(shift.to == candidate.member for shift in case.shifts):
            return "shift"
        if policy.canary is not None and names(policy.canary.to, candidate, case.region):
            return "canary"
        if ruling.opened:
            return "panic"
        if policy.weights:
            return "weights"
        if candidate.member == self._own:
            return "local"
        return "order" if place_in_order(candidate, case) < len(policy.order) else "cost"

    def in_zones(self, view: View, own: Locality) -> tuple[Locality, ...]:
        """The own member's part, by availability zone where the policy looks at zones. One that gets nothing while it
        has endpoints ready stands by, before every other member.
        """
        policy = self._case.policy
        if OWN_ZONE not in policy.order or not own.weight:
            return (own,)
        hosts: dict[str, list[Host]] = {}
        for host in own.hosts:
            hosts.setdefault(host.zone, []).append(host)
        ready = {zone: sum(host.state == "ready" for host in found) for zone, found in hosts.items()}
        weights = (
            apportion(zone_parts(ready, view.az, view.site.zones, policy), own.weight) if any(ready.values()) else {}
        )
        return tuple(
            structs.replace(
                own,
                weight=weights.get(zone, 0),
                hosts=tuple(hosts[zone]),
                standby=int(ready[zone] > 0 and not weights.get(zone)),
                zone=zone,
            )
            for zone in sorted(hosts)
        )

    def mirrored(self, candidate: Candidate) -> bool:
        """True when a copy of requests goes to this candidate: a copy leaves the residency no more than a request."""
        policy, mirror = self._case.policy, self._case.policy.mirror
        if mirror is None or not mirror.ppm or not resides(candidate, policy):
            return False
        return names(mirror.to, candidate, self._case.region)

    def _seen(self, candidate: Candidate) -> Candidate:
        if candidate.member != self._own:
            return candidate
        if self.held is None:
            service = self._service
            self.held = own_candidate(candidate, self._case, service.pools, service.before)
        return self.held
