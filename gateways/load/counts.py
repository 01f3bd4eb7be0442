"""What Envoy counted, without protobuf: requests per cluster and destination member (LRS, envoy.service.load_stats.v3).

Measured on Envoy 1.40: counters are those since the report before, also over a broken stream; a TCP connection that
came about counts as one request without an outcome; a host that was never reached counts nothing; clusters without
requests stand there without localities.
"""

from collections.abc import Iterable

from envoy.service.load_stats.v3 import lrs_pb2
from msgspec import Struct

from federation.model.names import MemberName, ServiceKey


class Way(Struct, frozen=True, order=True):
    """Whose requests (`namespace/account`, "" for who has no identity), for which service, to which member."""

    service: ServiceKey
    source: str
    to: MemberName


class Count(Struct, frozen=True):
    """Over so many milliseconds so many requests began and so many answers were errors; so many are under way."""

    way: Way
    ms: int
    requests: int
    errors: int
    active: int


def counts_of(message: lrs_pb2.LoadStatsRequest) -> Iterable[Count]:
    """What one report says of this node's own requests. The zone of a locality names the member behind it."""
    for stats in message.cluster_stats:
        named = asked(stats.cluster_name) if stats.upstream_locality_stats else None
        ms = stats.load_report_interval.ToMilliseconds()
        if named is None or ms <= 0:
            continue
        for one in stats.upstream_locality_stats:
            way = Way(*named, MemberName(one.locality.zone))
            errors, active = one.total_error_requests, one.total_requests_in_progress
            yield Count(way, ms, one.total_issued_requests, errors, active)


def asked(cluster: str) -> tuple[ServiceKey, str] | None:
    """The service and the workload of a cluster `out/<namespace>/<name>/<port>/ns/<namespace>/sa/<account>`, or
    `.../local` of those without an identity. Others are nobody's asking: copies (`.../mirror`), and what comes in.
    """
    match cluster.split("/"):
        case ["out", namespace, name, _, "ns", source, "sa", account]:
            return ServiceKey(namespace, name), f"{source}/{account}"
        case ["out", namespace, name, _, "local"]:
            return ServiceKey(namespace, name), ""
    return None
