"""The ordinary Kubernetes objects that the lab's members state, as YAML."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass

from federation.lab.cluster import Cluster, Part
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

ACCESS = f"""\
apiVersion: isthmus.dev/v1alpha1
kind: AccessPolicy
metadata: {{{{name: {{service}}, namespace: {NAMESPACE}}}}}
spec:
  service: {{service}}
  from: {{callers}}
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


@dataclass(frozen=True, slots=True)
class Caller:
    """Callers of other members; "" is any."""

    member: str = ""
    namespace: str = ""
    account: str = ""


CLIENTS = (Caller("", NAMESPACE, "client"),)
"""The client pod of every member."""


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


def endpoints(listed: Iterable[Listed], service: str = WEB) -> Part:
    """The EndpointSlice."""
    return Part(f"{service}-endpoints.yaml", slice_text(listed, service))


def exported(service: str = WEB) -> Part:
    """A Service of `shop` and its ServiceExport."""
    return Part(f"{service}.yaml", SERVICE.format(service=service))


def access(callers: Iterable[Caller], service: str = WEB) -> Part:
    """Which callers of other members may call a service; without it nobody."""
    found = json.dumps([{name: text for name, text in asdict(one).items() if text} for one in callers])
    return Part(
        f"{service}-access.yaml", ACCESS.format(service=service, callers=found.replace("account", "serviceAccount"))
    )


def policy(back: Return, service: str = WEB, **fields: object) -> Part:
    """A member's policy for its clients of a service: probes of /healthz, this return, and more fields of its spec."""
    text = POLICY.format(service=service, percent=back.percent, seconds=back.seconds)
    more = "".join(f"  {name}: {json.dumps(value)}\n" for name, value in fields.items())
    return Part(f"{service}-policy.yaml", text + more)


def public_name(back: Return, healthy: int = HEALTHY, **fields: object) -> Part:
    """PUBLIC_HOST as a steered name for shop/web; an address that was down needs so many good probes in a row. More
    fields of its spec may be said.
    """
    text = GLOBAL_NAME.format(percent=back.percent, seconds=back.seconds, healthy=healthy)
    more = "".join(f"  {name}: {json.dumps(value)}\n" for name, value in fields.items())
    return Part("shop-name.yaml", text + more)


def set_endpoints(cluster: Cluster, listed: Iterable[Listed], service: str = WEB) -> None:
    """Let a service of `shop` have exactly these endpoints in a member; the first call exports it, to the
    clients of every member.
    """
    cluster.put(endpoints(listed, service))
    if not cluster.holds(exported(service)):
        cluster.put(access(CLIENTS, service))
        cluster.put(exported(service))


def withdraw(cluster: Cluster, service: str = WEB) -> None:
    """Remove a service of `shop` from the member."""
    for part in (exported(service), access((), service), endpoints((), service)):
        cluster.remove(part)


def _yaml(value: bool) -> str:
    return "true" if value else "false"
