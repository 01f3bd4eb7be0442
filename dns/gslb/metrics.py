"""What Prometheus is told of a DNS server."""

from collections import Counter as Counted
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, Protocol

import dns.name
import dns.rcode
from prometheus_client import REGISTRY, Gauge, Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from gslb.checks import Finding, Findings
from gslb.master import text_of
from gslb.table import Table
from gslb.wire import Reply

_names = Gauge("isthmus_dns_names", "Names with data in the table")
age = Gauge("isthmus_handout_age_seconds", "Seconds since the handout in force was made")
path = Gauge("isthmus_dns_packet_path", "1 for what answers datagrams: rust or python", ["path"])


REACHED = "1 when our probes reach the target over every family that it has"
GONE = "1 when the target is taken out of the answers of a family"


class Path(Protocol):
    """A packet path that counts by itself."""

    def responses(self) -> list[tuple[bytes, int, int]]:
        """Responses by the apex of the zone in wire form (empty: none of ours) and code."""

    def limited(self) -> list[int]:
        """Responses over the rate limit: in a dry run, answered with TC, dropped."""

    def datagrams(self) -> tuple[int, int, int]:
        """Datagrams received, handed over, and dropped because too many waited."""


class _Traffic(Collector):
    """Queries and responses, those counted here and those of packet paths."""

    def __init__(self) -> None:
        self.queries: Counted[str] = Counted()
        self.responses: Counted[tuple[str, int]] = Counted()
        self.limited: Counted[str] = Counted()
        self.paths: list[Path] = []

    def collect(self) -> Iterator[Metric]:
        """What Prometheus sees."""
        queries, responses = Counted(dict(self.queries)), Counted(dict(self.responses))
        limited = Counted(dict(self.limited))
        handed = dropped = 0
        for one in self.paths:
            received, more, lost = one.datagrams()
            queries["udp"] += received
            handed, dropped = handed + more, dropped + lost
            limited.update(dict(zip(("dry", "slip", "drop"), one.limited(), strict=True)))
            for apex, code, number in one.responses():
                responses[text_of(dns.name.from_wire(apex, 0)[0]) if apex else "", code] += number
        yield _family("queries", "Queries by transport", ["transport"], {(key,): n for key, n in queries.items()})
        told = {(zone or "none", _text(code)): number for (zone, code), number in responses.items()}
        yield _family("responses", "Responses by zone and code", ["zone", "rcode"], told)
        over = {(done,): number for done, number in limited.items()}
        yield _family("limited", "Responses over the rate limit, by what was done", ["done"], over)
        yield _family("handed_over", "Datagrams that the packet path left to Python", [], {(): handed})
        yield _family("dropped", "Datagrams dropped because too many waited for Python", [], {(): dropped})


def _family(name: str, text: str, labels: list[str], values: Mapping[Any, int]) -> Metric:
    found = CounterMetricFamily(f"isthmus_dns_{name}", text, labels=labels)
    for key, value in values.items():
        found.add_metric(key, value)
    return found


class _Targets(Collector):
    """The verdicts on all targets, put in words when somebody asks."""

    def __init__(self) -> None:
        self.findings: Mapping[str, Findings] = {}

    def collect(self) -> Iterator[Metric]:
        """What Prometheus sees."""
        up = GaugeMetricFamily("isthmus_dns_target_up", REACHED, labels=["host", "member"])
        gone = GaugeMetricFamily("isthmus_dns_target_gone", GONE, labels=["host", "member"])
        for host, findings in self.findings.items():
            for member, held in _by_member(findings).items():
                up.add_metric((host, member), all(one.own.up for one in held))
                gone.add_metric((host, member), not all(one.way.up for one in held))
        yield up
        yield gone


def _by_member(findings: Findings) -> dict[str, list[Finding]]:
    found: dict[str, list[Finding]] = {}
    for check, finding in findings.items():
        if finding.known:
            found.setdefault(check.member, []).append(finding)
    return found


_traffic, _targets = _Traffic(), _Targets()
REGISTRY.register(_targets)
REGISTRY.register(_traffic)


def follow(one: Path) -> None:
    """From now on what this packet path counts is told too."""
    _traffic.paths.append(one)


def count_queries(transport: str, number: int) -> None:
    """So many more queries over `udp` or `tcp`."""
    _traffic.queries[transport] += number


def count_limited(done: str) -> None:
    """One more response over the rate limit, and what was done: dry, slip, drop."""
    _traffic.limited[done] += 1


def count(reply: Reply) -> None:
    """One more response."""
    _traffic.responses[reply.zone, reply.code] += 1


def measure_table(table: Table) -> None:
    """The size of the table in force."""
    of_headless = sum(1 + len(one.hosts) + len(one.ports) for one in table.headless.values())
    _names.set(sum(len(zone.names) for zone in table.zones.values()) + len(table.steered) + of_headless)


def measure_targets(findings: Mapping[str, Findings]) -> None:
    """From now on these are the verdicts on all targets, by name."""
    _targets.findings = findings


@lru_cache
def _text(code: int) -> str:
    return dns.rcode.to_text(dns.rcode.Rcode(code))
