"""Who is enrolled, with the workloads and the zone of its node: as said at enrolment, or of a node in Kubernetes."""

from collections import Counter
from collections.abc import Mapping

from msgspec import Struct, structs

from federation.config import Enrolment, Enrolments
from federation.model.local import Outside
from federation.ports import ClusterApi


class Followed(Struct, frozen=True):
    """What one look found: who is gone; whether who is enrolled, where, or with which ranges of pods changed (else what
    runs on nodes).
    """

    gone: frozenset[str]
    new: bool


class Programs:
    """`enrolments` is another dict after each change, and the value of a program another one where it changed.
    `outside` has the gateways of which the cluster says where they are reached.
    """

    def __init__(self, enrolled: Enrolments, cluster: ClusterApi, default_az: str) -> None:
        """`default_az` is the zone of nodes that name none."""
        self._default_az = default_az
        self._enrolled = enrolled
        self._cluster = cluster
        self._found: Mapping[str, Enrolment] = {}
        self.enrolments: dict[str, Enrolment] = {}
        self.outside: dict[str, Outside] = {}
        self.unread: dict[str, str] = {}

    def follow(self) -> Followed | None:
        """Take up what changed; None: nothing did. Unavailable when who is enrolled cannot be read."""
        self._enrolled.look()
        found, unread = self._enrolled.known, dict(self._enrolled.unread)
        moved = self._cluster.take_moved_nodes()
        new = found is not self._found or unread != self.unread
        if not new and not moved:
            return None
        gone, zones, ranges = frozenset(self.enrolments.keys() - found.keys()), self.zones, self._ranges
        self.enrolments = {
            name: self._as_in_cluster(one) if new or one.kubernetes in moved else self.enrolments[name]
            for name, one in found.items()
        }
        self._found, self.unread = found, unread
        outside, self.outside = self.outside, self._outside()
        now = (self.zones, self._ranges, self.outside)
        return Followed(gone, new or (zones, ranges, outside) != now)

    def _outside(self) -> dict[str, Outside]:
        gateways = (one for one in self.enrolments.values() if one.role == "gateway")
        found = {one.name: self._cluster.outside(one.kubernetes or one.name) for one in gateways}
        return {name: outside for name, outside in found.items() if outside != Outside()}

    @property
    def zones(self) -> dict[str, int]:
        """How many node agents there are in each availability zone."""
        return dict(sorted(Counter(one.az for one in self.enrolments.values() if one.role == "node").items()))

    @property
    def _ranges(self) -> list[tuple[str, ...]]:
        return [one.pods for one in self.enrolments.values()]

    def _as_in_cluster(self, one: Enrolment) -> Enrolment:
        if one.role != "node":
            return one
        one = structs.replace(one, az=one.az or self._cluster.zone(one.kubernetes) or self._default_az)
        if not one.kubernetes:
            return one
        said = {(w.namespace, w.account) for w in one.workloads}
        pods = (w for w in self._cluster.workloads(one.kubernetes) if (w.namespace, w.account) not in said)
        ranges = one.pods or self._cluster.pod_ranges(one.kubernetes)
        return structs.replace(one, workloads=(*one.workloads, *pods), pods=ranges)
