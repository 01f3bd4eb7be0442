"""What a member's cluster holds by the lab's will: a folder of manifests, or objects in its Kubernetes API."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import yaml

from federation.lab import netns
from federation.lab.apiserver import APPLY, Server
from federation.lab.state import Lab
from federation.lab.topology import NAMESPACE

KINDS = {
    "Service": ("/api/v1", "services"),
    "EndpointSlice": ("/apis/discovery.k8s.io/v1", "endpointslices"),
    "ServiceExport": ("/apis/multicluster.x-k8s.io/v1beta1", "serviceexports"),
    "TrafficPolicy": ("/apis/isthmus.dev/v1alpha1", "trafficpolicies"),
    "AccessPolicy": ("/apis/isthmus.dev/v1alpha1", "accesspolicies"),
    "EgressPolicy": ("/apis/isthmus.dev/v1alpha1", "egresspolicies"),
    "GlobalName": ("/apis/isthmus.dev/v1alpha1", "globalnames"),
}
NOT_ISTHMUS = "app.kubernetes.io/managed-by!=isthmus,endpointslice.kubernetes.io/managed-by!=isthmus.dev"
FIELD_MANAGER = "lab"


@dataclass(frozen=True, slots=True)
class Part:
    """Objects of the namespace `shop` that come and go together: the name of their file, and their text (YAML)."""

    file: str
    text: str


class Cluster(Protocol):
    """Where a member's controller reads what its member states. LabError or OSError when it cannot be changed."""

    def put(self, part: Part) -> None:
        """Let these objects be so."""

    def holds(self, part: Part) -> bool:
        """True when all of these objects are there, however they look."""

    def remove(self, part: Part) -> None:
        """Let these objects not be there; the absent are fine."""

    def only(self, parts: Iterable[Part]) -> None:
        """Let these objects be so, and no others of the kinds that the lab writes."""


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder of manifests; each file is replaced whole."""

    path: Path

    def put(self, part: Part) -> None:
        """Write the file: a watcher sees the old or the new content, and never the hidden part."""
        self.path.mkdir(parents=True, exist_ok=True)
        hidden = self.path / f".{part.file}.part"
        hidden.write_text(part.text)
        hidden.replace(self.path / part.file)

    def holds(self, part: Part) -> bool:
        """True when the file is there."""
        return (self.path / part.file).exists()

    def remove(self, part: Part) -> None:
        """Remove the file."""
        (self.path / part.file).unlink(missing_ok=True)

    def only(self, parts: Iterable[Part]) -> None:
        """Write these files and remove every other."""
        kept = list(parts)
        for part in kept:
            self.put(part)
        for path in self.path.glob("*.yaml"):
            if path.name not in {part.file for part in kept}:
                path.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class Api:
    """The namespace `shop` of a Kubernetes API, written by server-side apply."""

    server: Server

    def put(self, part: Part) -> None:
        """Apply the objects."""
        for value in _objects(part):
            self.server.ok("PATCH", f"{_path(value)}?fieldManager={FIELD_MANAGER}&force=true", value, APPLY)

    def holds(self, part: Part) -> bool:
        """True when each object is there."""
        return all(self.server.ask("GET", _path(value))[0] == 200 for value in _objects(part))

    def remove(self, part: Part) -> None:
        """Delete the objects."""
        for value in _objects(part):
            self.server.gone(_path(value))

    def only(self, parts: Iterable[Part]) -> None:
        """Apply these, then delete the others, those apart that Isthmus wrote."""
        kept = list(parts)
        for part in kept:
            self.put(part)
        paths = {_path(value) for part in kept for value in _objects(part)}
        for kind in KINDS:
            found = self.server.ok("GET", f"{_collection(kind)}?labelSelector={NOT_ISTHMUS}")
            for value in found["items"]:
                path = f"{_collection(kind)}/{value['metadata']['name']}"
                if path not in paths:
                    self.server.gone(path)


def cluster_of(lab: Lab, member: str) -> Cluster:
    """What this member's controller watches."""
    if lab.kubernetes:
        return Api(server_of(lab, member))
    return Folder(lab.member(member) / "manifests")


def server_of(lab: Lab, member: str) -> Server:
    """The member's API server, as its machine reaches it."""
    return Server(netns.machine(lab.lab, member), kubeconfig(lab, member))


def kubeconfig(lab: Lab, member: str) -> Path:
    """By which a member's API server is reached."""
    return lab.member(member) / "kubeconfig"


def _objects(part: Part) -> list[dict[str, Any]]:
    return [value for value in yaml.safe_load_all(part.text) if value]


def _path(value: dict[str, Any]) -> str:
    return f"{_collection(value['kind'])}/{value['metadata']['name']}"


def _collection(kind: str) -> str:
    base, plural = KINDS[kind]
    return f"{base}/namespaces/{NAMESPACE}/{plural}"
