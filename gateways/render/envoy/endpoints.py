"""Load assignments: one locality a member, weighted by the law (research/xds-trust.md 2.1 to 2.4).

Members with a share are priority 0. Each that stands by has a priority of its own after that, nearest first: Envoy goes
there when it has ejected every host before, and with the second attempt of a request that reached none of them.
"""

from collections.abc import Iterable

from msgspec import structs

from gateways.render.envoy.common import Json, host_address
from gateways.render.envoy.telemetry import METADATA
from gateways.state import Cluster, Host, Locality

OVERPROVISION = 100_000
"""Per cent. So high that a locality with any host ready keeps its whole weight: the law counted health already."""


def load_assignment(item: Cluster) -> Json:
    """The endpoints of this cluster; an empty list for a service without any, never nothing."""
    return {
        "cluster_name": item.name,
        "endpoints": [_locality(locality, item.opened) for locality in _once(item.localities)],
        "policy": {"overprovisioning_factor": OVERPROVISION, "weighted_priority_health": True},
    }


def _once(localities: Iterable[Locality]) -> Iterable[Locality]:
    """Those with hosts, the same hosts once with the sum of their weights: of an address that stands in two localities
    Envoy counts the first alone (rule 2.8).
    """
    found: dict[tuple[Host, ...], Locality] = {}
    for locality in localities:
        held = found.get(locality.hosts)
        weight = locality.weight if held is None else held.weight + locality.weight
        found[locality.hosts] = structs.replace(locality if held is None else held, weight=weight)
    return (locality for hosts, locality in found.items() if hosts)


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
        "health_status": _health(locality, host, opened),
        "metadata": {
            "filter_metadata": {
                "envoy.transport_socket_match": {"member": locality.member},
                METADATA: {name: value for name, value in why.items() if value},
            }
        },
    }


def _health(locality: Locality, host: Host, opened: bool) -> str:
    """Of hosts without a share none is healthy: with weights missing everywhere Envoy would spread requests over all
    that are (measured).
    """
    if host.state == "draining":
        return "DRAINING"
    wanted = bool(locality.weight or locality.standby)
    return "HEALTHY" if wanted and (opened or host.state == "ready") else "UNHEALTHY"
