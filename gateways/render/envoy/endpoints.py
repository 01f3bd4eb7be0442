"""Load assignments: one locality a member, weighted by the law (research/xds-trust.md 2.1 to 2.4).

Members with a share are priority 0. Each that stands by has a priority of its own after that, nearest first: Envoy goes
there when it has ejected every host before, and with the last attempt of a request that reached none of them.
"""

from gateways.render.envoy.common import Json, host_address
from gateways.render.envoy.telemetry import METADATA
from gateways.state import Cluster, Host, Locality

OVERPROVISION = 100_000
"""Per cent. So high that a locality with any host ready keeps its whole weight: the law counted health already."""

_HEALTH = {"ready": "HEALTHY", "unready": "UNHEALTHY", "draining": "DRAINING"}


def load_assignment(item: Cluster) -> Json:
    """The endpoints of this cluster; an empty list for a service without any, never nothing."""
    return {
        "cluster_name": item.name,
        "endpoints": [_locality(locality, item.opened) for locality in item.localities if locality.hosts],
        "policy": {"overprovisioning_factor": OVERPROVISION, "weighted_priority_health": True},
    }


def _locality(locality: Locality, opened: bool) -> Json:
    place = {"region": locality.region, "zone": locality.member}
    made: Json = {
        "locality": {**place, "sub_zone": locality.zone} if locality.zone else place,
        "lb_endpoints": [_endpoint(locality, host, opened) for host in locality.hosts],
    }
    if locality.standby:
        made |= {"priority": locality.standby, "load_balancing_weight": 1}
    elif locality.weight:
        made["load_balancing_weight"] = locality.weight
    return made


def _endpoint(locality: Locality, host: Host, opened: bool) -> Json:
    why = {"member": locality.member, "zone": host.zone, "reason": locality.reason}
    return {
        "endpoint": {"address": host_address(host)},
        "health_status": "HEALTHY" if opened and host.state == "unready" else _HEALTH[host.state],
        "metadata": {
            "filter_metadata": {
                "envoy.transport_socket_match": {"member": locality.member},
                METADATA: {name: value for name, value in why.items() if value},
            }
        },
    }
