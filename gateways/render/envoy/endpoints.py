"""Load assignments: one locality a member, weighted by the law (research/xds-trust.md 2.1 to 2.4).

Members with a share are priority 0. Each that stands by has a priority of its own after that, nearest first: Envoy goes
there when it has ejected every host before, and with the last attempt of a request that reached none of them.
"""

from collections.abc import Iterable

from gateways.render.envoy.common import MEMBERS_KEPT, Json, host_address, shared
from gateways.state import Host, Locality

OVERPROVISION = 100_000
"""Per cent. So high that a locality with any host ready keeps its whole weight: the law counted health already."""

LOCALITIES_KEPT = 256
"""More than one service has: the clusters of its workloads are rendered one after the other."""

_HEALTH = {"ready": "HEALTHY", "unready": "UNHEALTHY", "draining": "DRAINING"}


def load_assignment(name: str, localities: Iterable[Locality]) -> Json:
    """The endpoints of the cluster of this name; an empty list for a service without any, never nothing."""
    return {
        "cluster_name": name,
        "endpoints": [_locality(locality) for locality in localities if locality.hosts],
        "policy": _policy(),
    }


@shared(LOCALITIES_KEPT)
def _locality(locality: Locality) -> Json:
    """The same in the clusters of all workloads."""
    made: Json = {
        "locality": {"region": locality.region, "zone": locality.member},
        "lb_endpoints": [_endpoint(locality.member, host) for host in locality.hosts],
    }
    if locality.standby:
        made |= {"priority": locality.standby, "load_balancing_weight": 1}
    elif locality.weight:
        made["load_balancing_weight"] = locality.weight
    return made


@shared()
def _policy() -> Json:
    return {"overprovisioning_factor": OVERPROVISION, "weighted_priority_health": True}


def _endpoint(member: str, host: Host) -> Json:
    return {
        "endpoint": {"address": host_address(host)},
        "health_status": _HEALTH[host.state],
        "metadata": _metadata(member),
    }


@shared(MEMBERS_KEPT)
def _metadata(member: str) -> Json:
    return {"filter_metadata": {"envoy.transport_socket_match": {"member": member}}}
