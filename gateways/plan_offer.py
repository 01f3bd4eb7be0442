"""The role gateway, one offer: the clusters behind its ports, and how they are told apart at the entrance. Pure."""

from federation.model.record import Port
from gateways.services import checked_endpoints, hosts_of, is_http, port_label, sni_of
from gateways.state import Cluster, Locality, Offered, ServiceState
from gateways.view import Exported, View


def plan_offer(view: View, service: Exported) -> ServiceState:
    """One cluster a TCP port, of local endpoints only, so that a request never bounces."""
    ports = [port for port in service.item.ports if port.protocol == "TCP"]
    clusters = tuple(_cluster(view, service, port) for port in ports)
    return ServiceState(
        clusters=clusters,
        offered=tuple(
            Offered(sni_of(service.item.service, port_label(port.name, port.port)), cluster.name, cluster.http)
            for port, cluster in zip(ports, clusters, strict=True)
        ),
        checked=checked_endpoints(service.item.service, service.pools, service.item.policy.probe),
    )


def _cluster(view: View, service: Exported, port: Port) -> Cluster:
    site = view.site
    return Cluster(
        name=f"in/{service.item.service}/{port_label(port.name, port.port)}",
        local=site.member,
        localities=(Locality(site.member, site.region, 1, hosts_of(service.pools, port.name)),),
        http=is_http(port.app_protocol),
    )
