"""The ordinary Kubernetes manifests that the lab's members watch; each file is replaced whole."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from federation.lab.topology import WEB_PORT, Endpoint

SERVICE = f"""\
apiVersion: v1
kind: Service
metadata:
  name: web
  namespace: shop
spec:
  type: ClusterIP
  ports:
    - name: http
      protocol: TCP
      appProtocol: http
      port: 80
      targetPort: {WEB_PORT}
---
apiVersion: multicluster.x-k8s.io/v1beta1
kind: ServiceExport
metadata:
  name: web
  namespace: shop
"""

SLICE = f"""\
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: web-lab
  namespace: shop
  labels:
    kubernetes.io/service-name: web
addressType: IPv4
ports:
  - name: http
    protocol: TCP
    appProtocol: http
    port: {WEB_PORT}
"""

ENDPOINT = """\
  - addresses:
      - {address}
    conditions:
      ready: {ready}
      serving: {serving}
      terminating: {terminating}
    zone: {zone}
"""


@dataclass(frozen=True, slots=True)
class Listed:
    """An endpoint as its slice shows it; an unready one stays listed."""

    endpoint: Endpoint
    ready: bool = True
    terminating: bool = False


def slice_text(listed: Iterable[Listed]) -> str:
    """The EndpointSlice of shop/web with these endpoints."""
    entries = [
        ENDPOINT.format(
            address=item.endpoint.address,
            ready=_yaml(item.ready and not item.terminating),
            serving=_yaml(item.ready),
            terminating=_yaml(item.terminating),
            zone=item.endpoint.zone,
        )
        for item in listed
    ]
    return SLICE + ("endpoints:\n" + "".join(entries) if entries else "endpoints: []\n")


def set_endpoints(folder: Path, listed: Iterable[Listed]) -> None:
    """Let shop/web have exactly these endpoints in the member whose manifests are in `folder`; the first
    call exports it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    replace(folder / "web-endpoints.yaml", slice_text(listed))
    if not (folder / "web.yaml").exists():
        replace(folder / "web.yaml", SERVICE)


def withdraw(folder: Path) -> None:
    """Remove shop/web from the member."""
    for name in ("web.yaml", "web-endpoints.yaml"):
        (folder / name).unlink(missing_ok=True)


def replace(path: Path, text: str) -> None:
    """Write the file whole: a watcher sees the old or the new content, and never the hidden part."""
    part = path.with_name(f".{path.name}.part")
    part.write_text(text)
    part.replace(path)


def _yaml(value: bool) -> str:
    return "true" if value else "false"
