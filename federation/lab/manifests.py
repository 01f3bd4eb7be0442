"""The ordinary Kubernetes manifests that the lab's members watch; each file is replaced whole."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from federation.lab.topology import NAMESPACE, PUBLIC_PORT, WEB, WEB_PORT, Endpoint

SERVICE = f"""\
apiVersion: v1
kind: Service
metadata:
  name: {{service}}
  namespace: {NAMESPACE}
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
  name: {{service}}
  namespace: {NAMESPACE}
"""

SLICE = f"""\
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: {{service}}-lab
  namespace: {NAMESPACE}
  labels:
    kubernetes.io/service-name: {{service}}
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

POLICY = f"""\
apiVersion: isthmus.dev/v1alpha1
kind: TrafficPolicy
metadata: {{{{name: {{service}}, namespace: {NAMESPACE}}}}}
spec:
  return: {{{{percent: {{percent}}, seconds: {{seconds}}}}}}
  probe: {{{{path: /healthz, intervalMs: 500, timeoutMs: 400, unhealthy: 3, healthy: 2}}}}
"""

PUBLIC_HOST = "shop.example.test"
PUBLIC_TTL = 5

GLOBAL_NAME = f"""\
apiVersion: isthmus.dev/v1alpha1
kind: GlobalName
metadata: {{{{name: shop, namespace: {NAMESPACE}}}}}
spec:
  host: {PUBLIC_HOST}
  service: {WEB}
  policy: steered
  ttl: {PUBLIC_TTL}
  return: {{{{percent: {{percent}}, seconds: {{seconds}}}}}}
  probe:
    {{{{port: {PUBLIC_PORT}, path: /healthz, intervalMs: 500, timeoutMs: 900, unhealthy: 2, healthy: {{healthy}}}}}}
"""
HEALTHY = 3


@dataclass(frozen=True, slots=True)
class Listed:
    """An endpoint as its slice shows it; an unready one stays listed."""

    endpoint: Endpoint
    ready: bool = True
    terminating: bool = False


@dataclass(frozen=True, slots=True)
class Return:
    """How fast traffic comes back: so many percent of a share in each so many seconds."""

    percent: int
    seconds: int


def slice_text(listed: Iterable[Listed], service: str = WEB) -> str:
    """The EndpointSlice of a service of `shop` with these endpoints."""
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
    return SLICE.format(service=service) + ("endpoints:\n" + "".join(entries) if entries else "endpoints: []\n")


def set_endpoints(folder: Path, listed: Iterable[Listed], service: str = WEB) -> None:
    """Let a service of `shop` have exactly these endpoints in the member whose manifests are in `folder`; the first
    call exports it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    replace(folder / f"{service}-endpoints.yaml", slice_text(listed, service))
    if not (folder / f"{service}.yaml").exists():
        replace(folder / f"{service}.yaml", SERVICE.format(service=service))


def set_policy(folder: Path, back: Return, service: str = WEB) -> None:
    """Give the member's clients a policy for a service: probes of /healthz and this return."""
    text = POLICY.format(service=service, percent=back.percent, seconds=back.seconds)
    replace(folder / f"{service}-policy.yaml", text)


def set_public_name(folder: Path, back: Return, healthy: int = HEALTHY) -> None:
    """Let the member state PUBLIC_HOST as a steered name for shop/web; an address that was down needs so many good
    probes in a row.
    """
    text = GLOBAL_NAME.format(percent=back.percent, seconds=back.seconds, healthy=healthy)
    replace(folder / "shop-name.yaml", text)


def withdraw(folder: Path, service: str = WEB) -> None:
    """Remove a service of `shop` from the member."""
    for name in (f"{service}.yaml", f"{service}-endpoints.yaml"):
        (folder / name).unlink(missing_ok=True)


def clear(folder: Path) -> None:
    """Remove everything that the member states."""
    for path in folder.glob("*.yaml"):
        path.unlink(missing_ok=True)


def replace(path: Path, text: str) -> None:
    """Write the file whole: a watcher sees the old or the new content, and never the hidden part."""
    part = path.with_name(f".{path.name}.part")
    part.write_text(text)
    part.replace(path)


def _yaml(value: bool) -> str:
    return "true" if value else "false"
