"""Two members over API servers of a bed, founded and run by the public command line, and what tests make in them."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.netns.spaces import await_true
from tests.worlds.clusters import APPLY, Bed, Cluster
from tests.worlds.public_cli import Site

Object = dict[str, Any]
NAMES = ("us-east", "eu-central")
PODS = {"us-east": "10.1.1", "eu-central": "10.2.1"}
PLURALS = {
    "Service": ("/api/v1", "services"),
    "EndpointSlice": ("/apis/discovery.k8s.io/v1", "endpointslices"),
    "ServiceExport": ("/apis/multicluster.x-k8s.io/v1beta1", "serviceexports"),
    "ServiceImport": ("/apis/multicluster.x-k8s.io/v1beta1", "serviceimports"),
    "TrafficPolicy": ("/apis/isthmus.dev/v1alpha1", "trafficpolicies"),
    "GlobalName": ("/apis/isthmus.dev/v1alpha1", "globalnames"),
}
OURS = "app.kubernetes.io/managed-by=isthmus"
SERVICE_OF, SOURCE = "multicluster.kubernetes.io/service-name", "multicluster.kubernetes.io/source-cluster"


class Member:
    """One member's cluster, in the namespace of a test."""

    def __init__(self, name: str, cluster: Cluster, namespace: str) -> None:
        self.name, self.cluster, self.namespace = name, cluster, namespace

    def path(self, kind: str, name: str = "") -> str:
        """Where objects of this kind are."""
        base, plural = PLURALS[kind]
        return f"{base}/namespaces/{self.namespace}/{plural}" + (f"/{name}" if name else "")

    def apply(self, kind: str, name: str, **body: Any) -> None:
        """Make it so, as the field manager `suite`."""
        version = PLURALS[kind][0].removeprefix("/apis/").removeprefix("/api/")
        metadata = {"name": name, **body.pop("metadata", {})}
        made = {"apiVersion": version, "kind": kind, "metadata": metadata, **body}
        self.cluster.ok("PATCH", f"{self.path(kind, name)}?fieldManager=suite&force=true", made, APPLY)

    def delete(self, kind: str, name: str) -> None:
        """Delete it."""
        self.cluster.ok("DELETE", self.path(kind, name))

    def get(self, kind: str, name: str) -> Object | None:
        """The object; None when there is none."""
        answer = self.cluster.call("GET", self.path(kind, name))
        return None if answer.code == 404 else answer.value

    def hello(self, name: str = "hello", pods: int = 2, ports: list[Object] | None = None, **spec: Any) -> None:
        """The Service of the conformance suite, and the EndpointSlice that its controller would write."""
        ports = ports or [{"name": "tcp", "port": 42}, {"name": "udp", "port": 42, "protocol": "UDP"}]
        affinity = {"sessionAffinity": "ClientIP", "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 10}}}
        headless = spec.get("clusterIP") == "None"
        self.apply(
            "Service", name, spec={"selector": {"app": name}, "ports": ports, **({} if headless else affinity), **spec}
        )
        endpoints = [
            {
                "addresses": [f"{PODS[self.name]}.{n}"],
                "conditions": {"ready": True},
                **({"hostname": f"{name}-{n - 11}"} if headless else {}),
            }
            for n in range(11, 11 + pods)
        ]
        listening = [{"protocol": "TCP", **port} for port in ports]
        labels = {"kubernetes.io/service-name": name}
        meta = {"labels": labels}
        self.apply(
            "EndpointSlice", f"{name}-1", metadata=meta, addressType="IPv4", ports=listening, endpoints=endpoints
        )

    def export(self, name: str = "hello", **spec: Any) -> None:
        """Export it."""
        self.apply("ServiceExport", name, **({"spec": spec} if spec else {}))

    def conditions(self, kind: str, name: str) -> dict[str, Object]:
        """Of the object, by type."""
        found = self.get(kind, name) or {}
        return {one["type"]: one for one in found.get("status", {}).get("conditions", ())}

    def said(self, name: str = "hello", kind: str = "ServiceExport") -> dict[str, tuple[str, str]]:
        """Status and reason of each condition."""
        return {of: (one["status"], one["reason"]) for of, one in self.conditions(kind, name).items()}

    def imported(self, name: str = "hello") -> Object | None:
        """The ServiceImport, complete: one address for each family where it is to have any."""
        found = self.get("ServiceImport", name)
        if found is None or found["spec"]["type"] == "Headless":
            return found
        return found if found["spec"].get("ips") else None

    def slices(self, name: str = "hello", source: str = "") -> list[Object]:
        """The EndpointSlices of the import, of one exporter or all."""
        wanted = f"{SERVICE_OF}={name}" + (f",{SOURCE}={source}" if source else "")
        answer = self.cluster.ok("GET", f"{self.path('EndpointSlice')}?labelSelector={wanted}")
        return list(answer["items"])

    def derived(self, name: str = "hello") -> list[Object]:
        """The derived Services of the import."""
        answer = self.cluster.ok("GET", f"{self.path('Service')}?labelSelector={OURS},{SERVICE_OF}={name}")
        return list(answer["items"])


class Federated:
    """us-east and eu-central; `site` has their programs."""

    def __init__(self, bed: Bed, site: Site, clusters: list[Cluster]) -> None:
        self.bed, self.site, self.clusters = bed, site, clusters

    def fresh(self, *where: str) -> list[Member]:
        """Both members in a namespace that is new, in both clusters or only in those named."""
        namespace = self.clusters[0].namespace()
        if not where or NAMES[1] in where:
            self.make(NAMES[1], namespace)
        return [Member(name, cluster, namespace) for name, cluster in zip(NAMES, self.clusters, strict=True)]

    def make(self, name: str, namespace: str) -> None:
        """The namespace in this member's cluster."""
        cluster = self.clusters[NAMES.index(name)]
        cluster.ok(
            "POST", "/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
        )
        cluster.made.append(namespace)


def stays(what: str, condition: Callable[[], bool], member: Member) -> None:
    """The condition holds now, and still does when the controller has surely looked at the namespace again: something that
    was exported afterwards is imported.
    """
    member.hello("mark")
    member.export("mark")
    await_true("a later export is imported", lambda: member.imported("mark"))
    assert condition(), what
    member.delete("ServiceExport", "mark")


@contextmanager
def federated(bed: Bed) -> Iterator[Federated]:
    """Founded over two members of the bed; everything is ended with the block."""
    clusters = bed.members(2)
    folder = Path(tempfile.mkdtemp(prefix="isthmus-federated-"))
    site = Site(folder, NAMES)
    try:
        site.found()
        for name, cluster in zip(NAMES, clusters, strict=True):
            site.run(name, cluster.kubeconfig)
        yield Federated(bed, site, clusters)
    finally:
        site.stop()
        for cluster in clusters:
            if not cluster.tokens:
                cluster.kubectl("delete", "memberclusters,clusterproperties", "-l", OURS)
        shutil.rmtree(folder, ignore_errors=True)
