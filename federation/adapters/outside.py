"""Where gateways are reached from outside, as Kubernetes says: external addresses of nodes, Services in front of them.

A Service is in front of the gateway that it names, and of that alone: WireGuard knows a gateway by its key, so several
of them cannot share one address and port.
"""

from collections.abc import Iterable
from typing import Any

from msgspec import Struct

from federation.model.cidr import is_canonical
from federation.model.local import Outside
from federation.model.names import ServiceKey
from federation.wire.k8s.core import Service

GATEWAY = "isthmus.dev/gateway"
"""The annotation of a Service that is in front of a gateway: the node on which it runs."""


class _Front(Struct, frozen=True):
    """A Service in front of the gateway on a node; `port` is 0 where none is opened on nodes."""

    node: str
    endpoints: tuple[str, ...]
    port: int = 0


class Outsides:
    """What is known of each node. `moved` are the nodes of which it is another since somebody cleared it."""

    def __init__(self) -> None:
        self.moved: set[str] = set()
        self._addresses: dict[str, tuple[str, ...]] = {}
        self._fronts: dict[ServiceKey, _Front] = {}

    def of(self, node: str) -> Outside:
        """What is known of this node."""
        addresses = self._addresses.get(node, ())
        fronts = [front for _, front in sorted(self._fronts.items()) if front.node == node]
        named = [endpoint for front in fronts for endpoint in front.endpoints]
        opened = [endpoint_of(address, front.port) for front in fronts if front.port for address in addresses]
        return Outside(addresses, tuple(dict.fromkeys([*named, *opened])))

    def put_node(self, name: str, status: Any) -> None:
        """Take the addresses of this node; none where it is gone."""
        before, now = self._addresses.pop(name, ()), external_addresses(status)
        if now:
            self._addresses[name] = now
        if now != before:
            self.moved.add(name)

    def put_service(self, key: ServiceKey, value: Service | None) -> None:
        """Take this Service; None: it is gone."""
        before, now = self._fronts.pop(key, None), None if value is None else _front(value)
        if now is not None:
            self._fronts[key] = now
        if now != before:
            self.moved.update(front.node for front in (before, now) if front is not None)


def external_addresses(status: Any) -> tuple[str, ...]:
    """The ExternalIP addresses in the status of a Node (core/v1 NodeAddress)."""
    return _texts(status, "addresses", "address", lambda one: one.get("type") == "ExternalIP")


def endpoint_of(address: str, port: int) -> str:
    """As WireGuard takes it."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _front(value: Service) -> _Front | None:
    """The first UDP port is that of the first rail."""
    node = value.metadata.annotations.get(GATEWAY, "")
    ports = sorted((port for port in value.spec.ports if port.protocol == "UDP"), key=lambda port: port.port)
    if not (node and ports):
        return None
    balancer = value.status.get("loadBalancer") if isinstance(value.status, dict) else None
    given = _texts(balancer, "ingress", "ip") if value.spec.type == "LoadBalancer" else ()
    addresses = (*given, *filter(is_canonical, value.spec.external_ips))
    opened = ports[0].node_port if value.spec.type in ("LoadBalancer", "NodePort") else 0
    return _Front(node, tuple(endpoint_of(address, ports[0].port) for address in addresses), opened)


def _texts(of: Any, part: str, field: str, wanted: Any = lambda one: True) -> tuple[str, ...]:
    """The IP addresses in this field of the entries of a list, whatever else stands there."""
    entries: Iterable[Any] = of.get(part) or () if isinstance(of, dict) else ()
    found = (one.get(field) for one in entries if isinstance(one, dict) and wanted(one))
    return tuple(text for text in found if isinstance(text, str) and is_canonical(text))
