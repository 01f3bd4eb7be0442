"""What gRPC programs without a proxy hold for one import: the listener that they dial, its route, cluster, endpoints.

gRPC spills only as a whole, and can be given neither the server name by which a gateway chooses nor another member's
pinned identity. So a program is given the own member's ready endpoints while the law keeps all of the port there and
its policy asks nothing of a proxy; otherwise the node proxy's own listener of that port, alone. There the split is the
law's to the part per million, and connections leave with the identity of the program's address, as captured ones do.
"""

from collections.abc import Iterator

from federation.model.resilience import NO_RESILIENCE
from gateways.render.envoy.common import ADS, CDS, EDS, LDS, RDS, Json, socket_address, typed
from gateways.render.envoy.resources import Part
from gateways.state import Cluster, Host, Locality, NodeListener, Route, ServiceState

WHOLE = 1_000_000
"""Parts per million: the weight of the one locality there is (gRPC takes one without a weight for absent)."""


def proxyless_parts(item: ServiceState) -> Iterator[Part]:
    """Of each HTTP port with a clusterset address: `<service>.<namespace>.svc.clusterset.local:<port>`."""
    for listener in item.listeners:
        port = next((one.port for one in item.captures if one.listener == listener.port), 0)
        if listener.http and port:
            name = f"{_host(listener)}:{port}"
            yield Part(LDS, name, _listener, (name,))
            yield Part(RDS, name, _routes, (name,))
            yield Part(CDS, name, _cluster, (name,))
            yield Part(EDS, name, _endpoints, (name, _hosts(item, listener)))


def _host(listener: NodeListener) -> str:
    namespace, _, service = listener.service.partition("/")
    return f"{service}.{namespace}.svc.clusterset.local"


def _hosts(item: ServiceState, listener: NodeListener) -> tuple[Host, ...]:
    """The own member's ready endpoints, each once (gRPC refuses an address that comes twice), or the node proxy."""
    mine = [one for one in item.clusters if _is_of(listener, one.name)]
    ready = {host for cluster in mine for place in cluster.localities for host in _ready(cluster, place)}
    if (
        not ready
        or any(map(_needs_proxy, mine))
        or any(_turns(one) for one in item.routes if _is_of(listener, one.name))
    ):
        return (Host(listener.address, listener.port),)
    return tuple(sorted(ready))


def _is_of(listener: NodeListener, name: str) -> bool:
    return name.startswith(f"{listener.name}/") and not name.endswith("/mirror")


def _ready(cluster: Cluster, place: Locality) -> tuple[Host, ...]:
    if place.member != cluster.local or not place.weight:
        return ()
    return tuple(host for host in place.hosts if host.state == "ready")


def _needs_proxy(cluster: Cluster) -> bool:
    """True when another member has a share, or the policy asks for what gRPC is not told here."""
    away = any(place.weight and place.member != cluster.local for place in cluster.localities)
    return away or cluster.resilience != NO_RESILIENCE or cluster.affinity is not None


def _turns(route: Route) -> bool:
    """True when requests go to another service now, or copies of them do."""
    return route.cluster != route.name or route.mirror is not None


def _listener(name: str) -> Json:
    manager = typed(
        "envoy.filters.network.http_connection_manager",
        "extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        stat_prefix=name,
        rds={"route_config_name": name, "config_source": ADS},
        http_filters=[typed("envoy.filters.http.router", "extensions.filters.http.router.v3.Router")],
    )
    return {"name": name, "api_listener": {"api_listener": manager["typed_config"]}}


def _routes(name: str) -> Json:
    """Everything to the one cluster; gRPC wants an empty prefix, and the dialled name among the domains."""
    route: Json = {"match": {"prefix": ""}, "route": {"cluster": name}}
    return {"name": name, "virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [route]}]}


def _cluster(name: str) -> Json:
    return {
        "name": name,
        "type": "EDS",
        "eds_cluster_config": {"service_name": name, "eds_config": ADS},
        "lb_policy": "ROUND_ROBIN",
    }


def _endpoints(name: str, hosts: tuple[Host, ...]) -> Json:
    every: list[Json] = [
        {"endpoint": {"address": socket_address(host.address, host.port)}, "health_status": "HEALTHY"} for host in hosts
    ]
    place: Json = {"locality": {"zone": "here"}, "load_balancing_weight": WHOLE, "lb_endpoints": every}
    return {"cluster_name": name, "endpoints": [place]}
