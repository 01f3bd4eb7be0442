"""The public names that we define ourselves: accepted by the ledger, or their last good."""

from collections.abc import Iterable, Mapping

from federation.model.local import LocalFacts
from federation.model.names import MemberName, ServiceKey
from federation.model.public import GlobalName
from federation.model.wish import Wish
from federation.plan.steering import Bounds, accept_names, names_label
from federation.ports import ClusterApi, LedgerSource
from federation.reconcile.hosts import Hosts
from federation.reconcile.memory import Memory


class OwnNames:
    """Our names by service, beside those of our peers in `hosts`."""

    def __init__(self, own: MemberName, ledger: LedgerSource, memory: Memory) -> None:
        self._own = own
        self._ledger = ledger
        self._memory = memory
        self._accepted: dict[ServiceKey, dict[str, GlobalName]] = {}
        self._refused: dict[ServiceKey, dict[str, str]] = {}
        self._labels: tuple[str, ...] = ()
        self.hosts = Hosts()

    def forget(self) -> None:
        """Begin anew: what peers and we define is told again."""
        self.hosts = Hosts()
        self._accepted, self._refused = {}, {}

    def facts(self, dirty: set[ServiceKey], cluster: ClusterApi) -> list[LocalFacts]:
        """What our cluster says of these services, our own exports first, and of those whose public names they move."""
        found: dict[ServiceKey, LocalFacts] = {}
        left = set(dirty)
        while left:
            for key in left:
                found[key] = cluster.service(key)
                self._accept(found[key])
            moved = [self.hosts.own(self._own, key, self.accepted(key).values()) for key in sorted(left)]
            left = set().union(*moved) - found.keys()
        return sorted(found.values(), key=lambda local: (not local.exported, local.key))

    def restore(self, held: Iterable[ServiceKey]) -> set[ServiceKey]:
        """The guard holds these services: what we defined for them stays ours. The services whose names that moves."""
        moved: set[ServiceKey] = set()
        for key in held:
            names = self._memory.of(key).names
            if names:
                self._accepted[key] = names
            moved |= self.hosts.own(self._own, key, names.values())
        return moved

    def accepted(self, key: ServiceKey) -> dict[str, GlobalName]:
        """The names in force that we define for this service, by object."""
        return self._accepted.get(key, {})

    def notes(self, key: ServiceKey) -> tuple[str, ...]:
        """What keeps our names for this service from being as asked for."""
        members = {member.name: member for member in self._ledger.ledger.seen_from(self._own)}
        said = (f"GlobalName {key.namespace}/{name}: {why}" for name, why in self.refused(key).items())
        return (*said, *self.hosts.lost(self._own, key, members))

    def refused(self, key: ServiceKey) -> dict[str, str]:
        """Why names that we define for this service are not in force as asked for, by object."""
        return self._refused.get(key, {})

    def bounds(self) -> Bounds:
        """What the ledger allows us."""
        ledger = self._ledger.ledger
        seen = ledger.seen_from(self._own)
        regions, members = {member.region for member in seen}, tuple(member.name for member in seen)
        return Bounds(tuple(sorted(regions)), ledger.members[self._own].dns_zones, members, self._labels)

    def know_labels(self, labels: Iterable[Mapping[str, str]]) -> bool:
        """What members say of themselves, which a term may name. True when that is other than before."""
        before = self._labels
        self._labels = tuple(sorted({f"{key}={value}" for said in labels for key, value in said.items()}))
        return before != self._labels

    def naming_labels(self, cluster: ClusterApi) -> set[ServiceKey]:
        """The services of our cluster of which a policy or a public name has a term with a label."""
        facts = map(cluster.service, cluster.services())
        return {local.key for local in facts if any(map(names_label, _asked(local)))}

    def _accept(self, local: LocalFacts) -> None:
        self._accepted.pop(local.key, None)
        self._refused.pop(local.key, None)
        if local.names:
            bounds, kept = self.bounds(), self._memory.of(local.key)
            self._accepted[local.key], self._refused[local.key] = accept_names(local.names, kept, bounds)


def _asked(local: LocalFacts) -> Iterable[Wish | GlobalName]:
    policies = (local.policy, local.namespace_policy)
    return [*filter(None, policies), *local.names.values()]
