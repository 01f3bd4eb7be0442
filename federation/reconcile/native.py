"""What our own cluster is told: the objects of each service's plan, where they changed."""

from collections.abc import Mapping

from federation.model.imported import ClusterObject
from federation.model.names import ServiceKey
from federation.plan.service import ServicePlan
from federation.ports import ClusterApi
from federation.wire.k8s.render import render


class Native:
    """Collects what changed in a pass; `send` hands it to the cluster, after what it rests on is durable."""

    def __init__(self, cluster: ClusterApi) -> None:
        self._cluster = cluster
        self._told: dict[ServiceKey, tuple[ClusterObject, ...]] = {}
        self._due: dict[ServiceKey, tuple[ClusterObject, ...]] = {}

    def put(self, plans: Mapping[ServiceKey, ServicePlan]) -> None:
        """These services are planned anew."""
        for key, plan in plans.items():
            if plan.cluster != self._told.get(key, ()):
                self._due[key] = plan.cluster
            else:
                self._due.pop(key, None)

    def send(self) -> None:
        """Tell the cluster what is due."""
        for key, objects in self._due.items():
            self._cluster.want(str(key), [render(one) for one in objects])
            if objects:
                self._told[key] = objects
            else:
                self._told.pop(key, None)
        self._due = {}
