"""The series of a node are bounded."""

from prometheus_client import REGISTRY

from federation.model.names import MemberName, ServiceKey
from gateways.load import metrics
from gateways.load.counts import Count, Way


def requests(service: str, destination: str) -> float:
    labels = {"source": "m-test", "service": service, "destination": destination}
    return REGISTRY.get_sample_value("isthmus_requests_total", labels) or 0


def test_services_beyond_the_bound_are_counted_as_other() -> None:
    meter = metrics.Meter("m-test")
    for number in range(metrics.SERIES_MAX + 3):
        meter.count(Count(Way(ServiceKey("n", f"s{number}"), "", MemberName("to")), 1_000, 2, 0, 0))
    assert requests("n/s0", "to") == 2
    assert requests(f"n/s{metrics.SERIES_MAX}", "to") == 0
    assert requests("other", "other") == 6
