"""What a peer may say of how its public names are steered. Pure."""

from collections.abc import Iterator
from itertools import chain

from federation.model import policy as limits
from federation.model.errors import Refused
from federation.model.policy import Policy, Probe
from federation.model.probes import probe_fault
from federation.model.public import ALPN, GlobalName
from federation.model.routing import ANSWERS
from federation.model.routing_faults import routing_fault

REGIONS_MAX = 100
PLAIN = Policy()
FOREIGN = ("capacity", "canary", "mirror", "panic", "affinity", "resilience")
"""What only a TrafficPolicy says: a public name that does was not made from a GlobalName."""


def check_name_policy(name: GlobalName, where: str) -> None:
    """Refused: E120 a number that cannot be, or a field that is no public name's; E114 a term that is none."""
    policy = name.policy
    probe = policy.probe or Probe()
    odd = next((what for what in FOREIGN if getattr(policy, what) != getattr(PLAIN, what)), None)
    if odd is not None:
        raise Refused(f'{where}: its policy says "{odd}", which no public name may; last good kept', "E120")
    lists = (policy.order, policy.weights, policy.drain, policy.residency, policy.least, policy.most)
    bounds = (*policy.least.items(), *policy.most.items())
    ranges = (
        ("ttl", name.ttl, limits.TTL),
        ("least ttl", name.least_ttl, limits.Range(0, name.ttl)),
        ("answers", name.answers, ANSWERS),
        ("threshold", policy.threshold, limits.Range(0, limits.THRESHOLD.high)),
        ("return percent", policy.ramp.percent, limits.RETURN_PERCENT),
        ("return seconds", policy.ramp.seconds, limits.RETURN_SECONDS),
        *chain.from_iterable(map(_probe_ranges, probe.each)),
        *((f"weight of {region[:63]!r}", weight, limits.WEIGHT) for region, weight in policy.weights.items()),
        *((f"share of {region[:63]!r}", ppm, limits.PPM) for region, ppm in bounds),
        *((f"price from {one.source[:63]!r}", one.micros, limits.PRICE_MICROS) for one in policy.prices),
        ("number of prices", len(policy.prices), limits.Range(0, limits.PRICES_MAX)),
        ("price of a millisecond", policy.price_ms, limits.PRICE_MS),
        ("number of regions", sum(map(len, lists)), limits.Range(0, REGIONS_MAX)),
    )
    for what, value, allowed in ranges:
        if not allowed.low <= value <= allowed.high:
            raise Refused(f"{where}: {what} {value} is not {allowed.low} to {allowed.high}; last good kept", "E120")
    fault = probe_fault(probe)
    if fault is not None:
        raise Refused(f"{where}: probe {fault[0]}: {fault[1]}; last good kept", "E120")
    strange = next((one for one in name.alpn if one not in ALPN), "")
    if strange or len(name.alpn) > len(ALPN):
        raise Refused(f"{where}: {strange[:80] or name.alpn!r} is no protocol of HTTPS; last good kept", "E114")
    crooked = routing_fault(name.routing) if name.routing else ""
    if crooked:
        raise Refused(f"{where}: {crooked}; last good kept", "E120")
    wrong = next((term for term in _terms(policy) if not limits.is_term(term)), None)
    if wrong is not None:
        raise Refused(f"{where}: {wrong[:80]!r} is no region, member or label; last good kept", "E114")


def _probe_ranges(probe: Probe) -> Iterator[tuple[str, int, limits.Range]]:
    yield "probe port", probe.port, limits.PROBE_PORT
    yield "probe interval", probe.interval_ms, limits.PROBE_INTERVAL_MS
    yield "probe timeout", probe.timeout_ms, limits.PROBE_TIMEOUT_MS
    yield "probe unhealthy", probe.unhealthy, limits.PROBE_COUNT
    yield "probe healthy", probe.healthy, limits.PROBE_COUNT
    yield "length of the probe path", len(probe.path), limits.Range(0, limits.PROBE_PATH_MAX)


def _terms(policy: Policy) -> Iterator[str]:
    yield from chain(policy.order, policy.weights, policy.drain, policy.residency, policy.least, policy.most)
    prices = ((one.source, one.to) for one in policy.prices)
    yield from (region for region in chain.from_iterable(prices) if region != "*")
