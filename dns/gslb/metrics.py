"""What Prometheus is told of a DNS server."""

from collections.abc import Mapping
from functools import lru_cache

import dns.rcode
from prometheus_client import Counter, Gauge

from gslb.checks import Check, Finding
from gslb.table import Table
from gslb.wire import Reply

queries = Counter("isthmus_dns_queries_total", "Queries by transport", ["transport"])
_names = Gauge("isthmus_dns_names", "Names with data in the table")
age = Gauge("isthmus_handout_age_seconds", "Seconds since the handout in force was made")
_responses = Counter("isthmus_dns_responses_total", "Responses by zone and code", ["zone", "rcode"])
limited = Counter("isthmus_dns_limited_total", "Responses over the rate limit, by what was done", ["done"])
_TARGET = ["host", "member"]
_up = Gauge("isthmus_dns_target_up", "1 when our probes reach the target over every family that it has", _TARGET)
_gone = Gauge("isthmus_dns_target_gone", "1 when the target is taken out of the answers of a family", _TARGET)
_shown: set[tuple[str, str]] = set()


def count(reply: Reply) -> None:
    """One more response."""
    _counter(reply.zone, reply.code).inc()


def measure_table(table: Table) -> None:
    """The size of the table in force."""
    of_headless = sum(1 + len(one.hosts) + len(one.ports) for one in table.headless.values())
    _names.set(sum(len(zone.names) for zone in table.zones.values()) + len(table.steered) + of_headless)


def measure_targets(findings: Mapping[Check, Finding]) -> None:
    """The verdicts on all targets; those that are probed no more vanish."""
    fresh: dict[tuple[str, str], list[Finding]] = {}
    for check, finding in findings.items():
        if finding.known:
            fresh.setdefault((check.host, check.member), []).append(finding)
    for key in _shown - fresh.keys():
        _up.remove(*key)
        _gone.remove(*key)
    for key, held in fresh.items():
        _up.labels(*key).set(all(one.own.up for one in held))
        _gone.labels(*key).set(not all(one.way.up for one in held))
    _shown.clear()
    _shown.update(fresh)


@lru_cache(1_024)
def _counter(zone: str, code: int) -> Counter:
    return _responses.labels(zone or "none", _text(code))


@lru_cache
def _text(code: int) -> str:
    return dns.rcode.to_text(dns.rcode.Rcode(code))
