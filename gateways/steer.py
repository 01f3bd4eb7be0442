"""The law for one node: each import ruled on with what the node has seen itself. Pure."""

from collections.abc import Iterable, Mapping

from federation.law.shares import Case, Ruling, rule
from federation.model.handout import Candidate, Import, Peer, Pool
from federation.model.names import ServiceKey
from gateways.evidence import Evidence, own_candidate, way_to


class Steering:
    """Rules on imports and gathers what the rulings ask of the node.

    `in_use` are members that get requests, `until` the Unix millisecond at which age alone changes a share (0: none),
    `held` the own candidates that the next ruling builds on.
    """

    def __init__(
        self, own: str, peers: Mapping[str, Peer], pools: Mapping[ServiceKey, tuple[Pool, ...]], evidence: Evidence
    ) -> None:
        self._own = own
        self._pools = pools
        self._evidence = evidence
        self._paths = {member: way_to(peer, evidence.ways) for member, peer in peers.items()}
        self.in_use: set[str] = set()
        self.until = 0
        self.held: dict[ServiceKey, Candidate] = {}

    def rule(self, item: Import, candidates: Iterable[Candidate]) -> Ruling:
        """The ruling on those candidates of this import that can be reached from here."""
        seen = [self._seen(item, candidate) for candidate in candidates]
        ruling = rule(seen, Case(self._own, item.policy, self._paths, self._evidence.now))
        self.in_use.update(share.member for share in ruling.shares)
        if ruling.until:
            self.until = min(self.until or ruling.until, ruling.until)
        return ruling

    def _seen(self, item: Import, candidate: Candidate) -> Candidate:
        if candidate.member != self._own:
            return candidate
        if item.service not in self.held:
            pools = self._pools.get(item.service, ())
            self.held[item.service] = own_candidate(candidate, item, pools, self._evidence)
        return self.held[item.service]
