"""The role gateway, one offer: the clusters behind its ports, and how they are told apart at the entrance. Pure."""

from collections.abc import Iterable, Sequence
from ipaddress import ip_address

from msgspec import structs

from federation.model.access import rules_at
from federation.model.cidr import network_of
from federation.model.handout import Offer, Pool
from federation.model.policy import Panic
from federation.model.record import Port
from gateways.flat import openings_of
from gateways.flat_state import Opening
from gateways.services import checked_endpoints, hosts_of, is_http, opened, port_label, route_of, sni_of, streams_of
from gateways.state import NOBODY, Access, Cluster, Host, Locality, Offered, ServiceState
from gateways.view import Exported, View


def plan_offer(view: View, service: Exported) -> ServiceState:
    """One cluster a TCP port, of local endpoints only, so that a request never bounces."""
    ports = [port for port in service.item.ports if port.protocol == "TCP"]
    planned = [(port, _cluster(view, service, port), _access(view, service, port)) for port in ports]
    made = ServiceState(
        clusters=tuple(cluster for _, cluster, _ in planned),
        routes=tuple(
            route_of(cluster, gateway=view.site.member, access=access) for _, cluster, access in planned if cluster.http
        ),
        offered=tuple(_offered(service, *one) for one in planned),
        checked=checked_endpoints(service.item.service, service.pools, service.item.policy.probe),
    )
    return structs.replace(made, openings=_openings(view, service.item, service.pools)) if view.flat else made


def with_openings(
    view: View, offer: Offer | None, pools: Sequence[Pool], state: ServiceState | None
) -> ServiceState | None:
    """The role node: with what flat peers may open of its own pods."""
    if offer is None or not (view.flat and view.pods):
        return state
    openings = _openings(view, offer, pools)
    return structs.replace(state or ServiceState(), openings=openings) if openings else state


def _openings(view: View, offer: Offer, pools: Sequence[Pool]) -> tuple[Opening, ...]:
    """A node keeps those of its own pods."""
    found = openings_of(offer, pools, view.site.images)
    if view.situation.role == "gateway":
        return found
    own = tuple(network_of(one.local) for one in view.pods)
    return tuple(one for one in found if any(ip_address(one.address) in network for network in own))


def _access(view: View, service: Exported, port: Port) -> Access:
    return Access(rules_at(port, service.item.access), view.site.domain)


def _offered(service: Exported, port: Port, cluster: Cluster, access: Access) -> Offered:
    return Offered(
        sni=sni_of(service.item.service, port_label(port.name, port.port)),
        cluster=cluster.name,
        http=cluster.http,
        service=str(service.item.service),
        streams=streams_of(cluster.http, service.item.policy),
        access=NOBODY if cluster.http else access,
        by_path=any(rule.paths for rule in access.rules),
    )


def _cluster(view: View, service: Exported, port: Port) -> Cluster:
    """The exporter's own panic counts here: an importer's shares for it come to nothing where no host is taken."""
    site = view.site
    hosts = hosts_of(service.pools, port.name)
    hosts = opened(hosts) if _panics(hosts, service.item.policy.panic) else hosts
    return Cluster(
        name=f"in/{service.item.service}/{port_label(port.name, port.port)}",
        local=site.member,
        localities=(Locality(site.member, site.region, 1, hosts),),
        http=is_http(port.app_protocol),
        resilience=service.item.policy.resilience,
        affinity=service.item.policy.affinity,
    )


def _panics(hosts: Iterable[Host], panic: Panic) -> bool:
    """True when too few are ready, and the policy opens to all."""
    states = [host.state for host in hosts if host.state != "draining"]
    ready = states.count("ready")
    return panic.action == "open" and (not ready or ready * 100 < panic.below * len(states))
