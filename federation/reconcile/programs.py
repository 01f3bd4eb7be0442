"""Who is enrolled, with the workloads on its node: those said at enrolment, and the pods of a node in Kubernetes."""

from collections.abc import Mapping

from msgspec import Struct, structs

from federation.config import Enrolment, Enrolments
from federation.ports import ClusterApi


class Followed(Struct, frozen=True):
    """What one look found: who is gone, and whether who is enrolled changed (else only what runs on nodes did)."""

    gone: frozenset[str]
    new: bool


class Programs:
    """`enrolments` is another dict after each change, and the value of a program another one where it changed."""

    def __init__(self, enrolled: Enrolments, cluster: ClusterApi) -> None:
        self._enrolled = enrolled
        self._cluster = cluster
        self._found: Mapping[str, Enrolment] = {}
        self.enrolments: dict[str, Enrolment] = {}
        self.unread: dict[str, str] = {}

    def follow(self) -> Followed | None:
        """Take up what changed; None: nothing did. Unavailable when who is enrolled cannot be read."""
        self._enrolled.look()
        found, unread = self._enrolled.known, dict(self._enrolled.unread)
        moved = self._cluster.take_moved_nodes()
        new = found is not self._found or unread != self.unread
        if not new and not moved:
            return None
        gone = frozenset(self.enrolments.keys() - found.keys())
        self.enrolments = {
            name: self._with_pods(one) if new or one.kubernetes in moved else self.enrolments[name]
            for name, one in found.items()
        }
        self._found, self.unread = found, unread
        return Followed(gone, new)

    def _with_pods(self, one: Enrolment) -> Enrolment:
        if one.role != "node" or not one.kubernetes:
            return one
        said = {(w.namespace, w.account) for w in one.workloads}
        pods = (w for w in self._cluster.workloads(one.kubernetes) if (w.namespace, w.account) not in said)
        return structs.replace(one, workloads=(*one.workloads, *pods))
