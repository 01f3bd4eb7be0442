"""The service map: who calls whom among one member's clients, from the flows that its agents report."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from federation.model.flows import FlowReport
from federation.model.names import MemberName, ServiceKey

if TYPE_CHECKING:
    from federation.reconcile.loop import Loop

Edge = tuple[str, ServiceKey, MemberName]
PPM = 1_000_000


def service_map(loop: Loop) -> dict[str, Any]:
    """Each edge with its requests per second (an average over 10 s) and the part of errors; the busiest first.

    `namespace` and `account` are "" for sources without an identity.
    """
    own = loop.parts.own.name
    found = sorted(edges(loop.demands.reports()).items(), key=lambda one: (-one[1][0], one[0]))
    return {
        "member": own,
        "at": int(loop.parts.clock.wall() * 1_000),
        "edges": [_row(own, edge, mrps, errors) for edge, (mrps, errors) in found],
    }


def edges(reports: Iterable[FlowReport]) -> dict[Edge, tuple[int, int]]:
    """Thousandths of requests per second and parts per million of errors, over all agents."""
    found: dict[Edge, tuple[int, int]] = {}
    for report in reports:
        for flow in report.flows:
            edge = (flow.source, report.service, flow.to)
            mrps, failed = found.get(edge, (0, 0))
            found[edge] = mrps + flow.mrps, failed + flow.mrps * flow.errors
    return {edge: (mrps, failed // mrps if mrps else 0) for edge, (mrps, failed) in found.items()}


def _row(own: MemberName, edge: Edge, mrps: int, errors: int) -> dict[str, Any]:
    source, service, to = edge
    namespace, _, account = source.partition("/")
    return {
        "source": {"member": own, "namespace": namespace, "account": account},
        "service": str(service),
        "destination": to,
        "rps": mrps / 1_000,
        "errors_percent": errors * 100 / PPM,
    }
