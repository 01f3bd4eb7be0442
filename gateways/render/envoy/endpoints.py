"""Load assignments: one locality a member, weighted by the law (research/xds-trust.md 2.1 to 2.4).

Members with a share are priority 0. Each that stands by has a priority of its own after that, nearest first: Envoy goes
there when it has ejected every host before, and with the last attempt of a request that reached none of them.
"""

from collections.abc import Iterable

from msgspec import structs

from gateways.render.envoy.common import MEMBERS_KEPT, Json, host_address, shared
from gateways.render.envoy.telemetry import METADATA
from gateways.state import Host, Locality

OVERPROVISION = 100_000
"""Per cent. So high that a locality with any host ready keeps its whole weight: the law counted health already."""

LOCALITIES_KEPT = 256
"""More than one service has: the clusters of its workloads are rendered one after the other."""


def load_assignment(name: str, localities: Iterable[Locality]) -> Json:
    """The endpoints of the cluster of this name; an empty list for a service without any, never nothing."""
    return {
        "cluster_name": name,
        "endpoints": [_locality(locality) for locality in _once(localities)],
        "policy": _policy(),
    }


def _once(localities: Iterable[Locality]) -> Iterable[Locality]:
    """Those with hosts, the same hosts once with the sum of their weights: of an address that stands in two localities
    Envoy counts the first alone (rule 2.8).
    """
    found: dict[tuple[Host, ...], Locality] = {}
    for locality in localities:
        held = found.setdefault(locality.hosts, locality)
        if held is not locality:
            found[locality.hosts] = structs.replace(held, weight=held.weight + locality.weight)
    return (locality for hosts, locality in found.items() if hosts)


@shared(LOCALITIES_KEPT)
def _locality(locality: Locality) -> Json:
    """The same in the clusters of all workloads."""
    place = {"region": locality.region, "zone": locality.member}
    made: Json = {
        "locality": {**place, "sub_zone": locality.zone} if locality.zone else place,
        "lb_endpoints": [_endpoint(locality, host) for host in locality.hosts],
    }
    if locality.standby:
        made |= {"priority": locality.standby, "load_balancing_weight": 1}
    elif locality.weight:
        made["load_balancing_weight"] = locality.weight
    return made


@shared()
def _policy() -> Json:
    return {"overprovisioning_factor": OVERPROVISION, "weighted_priority_health": True}


def _endpoint(locality: Locality, host: Host) -> Json:
    return {
        "endpoint": {"address": host_address(host)},
        "health_status": _health(locality, host),
        "metadata": _metadata(locality.member, host.zone, locality.reason),
    }


@shared(MEMBERS_KEPT)
def _metadata(member: str, zone: str, reason: str) -> Json:
    why = {"member": member, "zone": zone, "reason": reason}
    told = {name: value for name, value in why.items() if value}
    return {"filter_metadata": {"envoy.transport_socket_match": {"member": member}, METADATA: told}}


def _health(locality: Locality, host: Host) -> str:
    """Of hosts without a share none is healthy: with weights missing everywhere Envoy would spread requests over all
    that are (measured).
    """
    if host.state == "draining":
        return "DRAINING"
    wanted = bool(locality.weight or locality.standby)
    return "HEALTHY" if wanted and host.state == "ready" else "UNHEALTHY"
