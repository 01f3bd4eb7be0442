"""The kinds that we follow or write, where the API has them, and by what we know that an object is ours."""

from collections.abc import Mapping

from msgspec import Struct

from federation.wire.k8s.translate import MANAGER as MARK
from federation.wire.k8s.translate import MANAGER_LABEL, SLICE_MANAGER, SLICE_MANAGER_LABEL

ObjectKey = tuple[str, str, str]
"""(kind, namespace, name); the namespace of what is cluster-wide is ""."""

MANAGER = "isthmus"
"""Our field manager (server-side apply)."""


class Kind(Struct, frozen=True, kw_only=True):
    """One kind of the API. `required` kinds are those without which nothing is known of our cluster; of those that are
    `only_read` the writer never hears.
    """

    name: str
    api_version: str
    plural: str
    namespaced: bool = True
    required: bool = False
    only_read: bool = False

    @property
    def group(self) -> str:
        """The API group; "" for core."""
        return self.api_version.rpartition("/")[0]

    @property
    def resource(self) -> str:
        """What RBAC and people call it, such as endpointslices.discovery.k8s.io."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def path(self) -> str:
        """Of the objects of all namespaces."""
        return f"/{'apis' if self.group else 'api'}/{self.api_version}/{self.plural}"

    @property
    def mark(self) -> tuple[str, str]:
        """The label and value of what is ours."""
        if self.name == "EndpointSlice":
            return (SLICE_MANAGER_LABEL, SLICE_MANAGER)
        return (MANAGER_LABEL, MARK)

    def path_of(self, key: ObjectKey) -> str:
        """Of one object."""
        root = f"/{'apis' if self.group else 'api'}/{self.api_version}"
        return f"{root}/namespaces/{key[1]}/{self.plural}/{key[2]}" if self.namespaced else f"{self.path}/{key[2]}"


def title(key: ObjectKey) -> str:
    """How problem lines name an object."""
    return f"{key[0]} {key[1]}/{key[2]}" if key[1] else f"{key[0]} {key[2]}"


_MCS = "multicluster.x-k8s.io/v1beta1"
_OURS = "isthmus.dev/v1alpha1"
FOLLOWED: Mapping[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind(name="Namespace", api_version="v1", plural="namespaces", namespaced=False),
        Kind(name="Node", api_version="v1", plural="nodes", namespaced=False),
        Kind(name="Pod", api_version="v1", plural="pods", only_read=True),
        Kind(name="Service", api_version="v1", plural="services", required=True),
        Kind(name="EndpointSlice", api_version="discovery.k8s.io/v1", plural="endpointslices", required=True),
        Kind(name="ServiceExport", api_version=_MCS, plural="serviceexports", required=True),
        Kind(name="ServiceImport", api_version=_MCS, plural="serviceimports"),
        Kind(name="ClusterProperty", api_version="about.k8s.io/v1beta1", plural="clusterproperties", namespaced=False),
        Kind(name="TrafficPolicy", api_version=_OURS, plural="trafficpolicies"),
        Kind(name="AccessPolicy", api_version=_OURS, plural="accesspolicies"),
        Kind(name="EgressPolicy", api_version=_OURS, plural="egresspolicies", required=True),
        Kind(name="GlobalName", api_version=_OURS, plural="globalnames"),
        Kind(name="Drain", api_version=_OURS, plural="drains", namespaced=False),
        Kind(name="MemberCluster", api_version=_OURS, plural="memberclusters", namespaced=False),
    )
}
