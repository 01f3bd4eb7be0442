"""Prometheus metrics of this node's requests by source and destination member and service."""

from collections.abc import Mapping

from prometheus_client import Counter, Gauge

from gateways.load.counts import Count, Way

SERIES_MAX = 5_000
"""Pairs of service and destination that have series of their own; those after that are counted as OTHER."""

OTHER = ("other", "other")
_LABELS = ["source", "service", "destination"]
REQUESTS = Counter("isthmus_requests", "Requests (TCP: connections) of this node's workloads.", _LABELS)
ERRORS = Counter("isthmus_request_errors", "Those of them that were answered with an error.", _LABELS)
ACTIVE = Gauge("isthmus_requests_in_progress", "Requests of this node's workloads under way.", _LABELS)


class Meter:
    """Writes down what is counted. The labels are bounded by SERIES_MAX, whatever the handouts of a long life named."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._known: set[tuple[str, str]] = set()

    def count(self, one: Count) -> None:
        """Add one count."""
        labels = self._labels(one.way)
        REQUESTS.labels(*labels).inc(one.requests)
        ERRORS.labels(*labels).inc(one.errors)

    def show_active(self, active: Mapping[Way, int]) -> None:
        """Show how many are under way, and nothing of ways that are not in use."""
        ACTIVE.clear()
        for way, count in active.items():
            ACTIVE.labels(*self._labels(way)).inc(count)

    def _labels(self, way: Way) -> tuple[str, str, str]:
        pair: tuple[str, str] = str(way.service), way.to
        if pair not in self._known:
            if len(self._known) >= SERIES_MAX:
                pair = OTHER
            else:
                self._known.add(pair)
        return self._source, *pair
