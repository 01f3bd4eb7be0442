"""Resources of a small world: listeners with routes to clusters of plain HTTP servers on the loopback."""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.endpoint.v3 import endpoint_pb2
from envoy.config.listener.v3 import listener_pb2
from envoy.config.route.v3 import route_pb2
from envoy.extensions.filters.http.router.v3 import router_pb2  # noqa: F401 - registers the type
from envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2  # noqa: F401
from google.protobuf import json_format

from gateways.xds.messages import CDS, EDS, LDS, RDS, Resource, Snapshot

Json = dict[str, Any]
TYPE = "type.googleapis.com/envoy."
ADS: Json = {"ads": {}, "resource_api_version": "V3"}
MESSAGES: Mapping[str, Any] = {
    CDS: cluster_pb2.Cluster,
    EDS: endpoint_pb2.ClusterLoadAssignment,
    LDS: listener_pb2.Listener,
    RDS: route_pb2.RouteConfiguration,
}


def encoded(type_url: str, content: Json, follows: tuple[str, ...] = ()) -> Resource:
    message = json_format.ParseDict(content, MESSAGES[type_url]())
    body = message.SerializeToString(deterministic=True)
    name = content.get("name") or content["cluster_name"]
    return Resource(name=name, version=hashlib.sha256(body).hexdigest()[:16], body=body, follows=follows)


def cluster(name: str, **more: Any) -> Resource:
    eds = {"service_name": name, "eds_config": ADS}
    made = {"name": name, "type": "EDS", "eds_cluster_config": eds, "connect_timeout": "1s", **more}
    return encoded(CDS, made, (name,))


def locality(ports: Iterable[int], weight: int = 1, zone: str = "a", priority: int = 0) -> Json:
    hosts = [{"endpoint": {"address": address(port)}, "health_status": "HEALTHY"} for port in ports]
    made: Json = {"locality": {"zone": zone}, "lb_endpoints": hosts, "priority": priority}
    return made | ({"load_balancing_weight": weight} if weight else {})


def endpoints(name: str, *localities: Json) -> Resource:
    return encoded(EDS, {"cluster_name": name, "endpoints": list(localities)})


def address(port: int) -> Json:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def manager(route: str) -> Json:
    router = {"@type": TYPE + "extensions.filters.http.router.v3.Router"}
    return {
        "@type": TYPE + "extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "x",
        "rds": {"route_config_name": route, "config_source": ADS},
        "http_filters": [{"name": "envoy.filters.http.router", "typed_config": router}],
    }


def listener(name: str, port: int, route: str) -> Resource:
    filters = [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager(route)}]
    return encoded(LDS, {"name": name, "address": address(port), "filter_chains": [{"filters": filters}]})


def api_listener(name: str, route: str) -> Resource:
    """What a proxyless gRPC client dials (gRPC proposal A27)."""
    return encoded(LDS, {"name": name, "api_listener": {"api_listener": manager(route)}})


def route(name: str, cluster: str, domain: str = "*") -> Resource:
    to = {"match": {"prefix": ""}, "route": {"cluster": cluster}}
    return encoded(RDS, {"name": name, "virtual_hosts": [{"name": "all", "domains": [domain], "routes": [to]}]})


def world(**types: Iterable[Resource]) -> Snapshot:
    """A snapshot of `clusters`, `endpoints`, `listeners` and `routes`."""
    urls = {"clusters": CDS, "endpoints": EDS, "listeners": LDS, "routes": RDS}
    return {url: {one.name: one for one in types.get(word, ())} for word, url in urls.items()}
