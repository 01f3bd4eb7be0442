"""What our own cluster is told: the objects of each service's plan, and of the federation, where they changed."""

from collections.abc import Mapping

from federation.model.imported import ClusterObject, Said
from federation.model.names import ServiceKey
from federation.plan.conditions import EXPORT
from federation.plan.service import ServicePlan
from federation.ports import ClusterApi
from federation.wire.k8s.render import render

Objects = tuple[ClusterObject, ...]
FEDERATION = "federation"


class Native:
    """Collects what changed in a pass; `send` hands it to the cluster, after what it rests on is durable.

    The owner of a service's objects is "namespace/name"; FEDERATION owns those of no service.
    """

    def __init__(self, cluster: ClusterApi) -> None:
        self._cluster = cluster
        self._told: dict[str, Objects] = {}
        self._due: dict[str, Objects] = {}
        self._complete = False

    def put_services(self, plans: Mapping[ServiceKey, ServicePlan]) -> None:
        """These services are planned anew."""
        for key, plan in plans.items():
            self._put(str(key), plan.cluster)

    def put_federation(self, objects: Objects) -> None:
        """What is about no service is this now."""
        self._put(FEDERATION, objects)

    def withdraw(self) -> None:
        """We are no member any more: nothing of ours shall stand, and the exports say so."""
        for owner in {*self._told, *self._due}:
            objects = self._due.get(owner, self._told.get(owner, ()))
            self._put(owner, tuple(one for one in objects if isinstance(one, Said) and one.kind == EXPORT))

    def send(self, everything_known: bool) -> None:
        """Tell the cluster what is due, after a first pass over everything; once every peer is known, what nobody wants
        is not ours to keep.
        """
        for owner, objects in self._due.items():
            self._cluster.want(owner, [render(one) for one in objects])
            if objects:
                self._told[owner] = objects
            else:
                self._told.pop(owner, None)
        self._due = {}
        if everything_known and not self._complete:
            self._complete = True
            self._cluster.complete()

    def _put(self, owner: str, objects: Objects) -> None:
        if objects != self._told.get(owner, ()):
            self._due[owner] = objects
        else:
            self._due.pop(owner, None)
