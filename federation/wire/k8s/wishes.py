"""What the spec of a policy asks for, in the model's words: integers, shares in parts per million."""

from msgspec import structs

from federation.model import policy as model
from federation.model import resilience
from federation.model.wish import Wish, over
from federation.wire.k8s.policies import (
    BreakersSpec,
    BudgetSpec,
    OutlierSpec,
    PortionSpec,
    RateLimitSpec,
    RetriesSpec,
    SteeringSpec,
    TimeoutsSpec,
    TrafficPolicySpec,
)

_PPM = 10_000
"""Parts per million in one per cent."""


def wish_of(spec: SteeringSpec) -> Wish:
    """What the spec asks for; a field that is empty or not there asks for nothing."""
    steering = Wish(
        order=tuple(spec.order) or None,
        threshold=spec.threshold,
        weights=spec.weights or None,
        drain=tuple(spec.drain) or None,
        prices=tuple(model.Price(one.source, one.to, round(one.per_gb * 1_000_000)) for one in spec.prices) or None,
        price_ms=spec.price_ms,
        residency=tuple(spec.residency) or None,
        least={region: percent * _PPM for region, percent in spec.least.items()} or None,
        most={region: percent * _PPM for region, percent in spec.most.items()} or None,
        ramp=None if spec.ramp is None else model.Ramp(spec.ramp.percent, spec.ramp.seconds),
        probe=None if spec.probe is None else model.Probe(**structs.asdict(spec.probe)),
    )
    return over(_proxied(spec), steering) if isinstance(spec, TrafficPolicySpec) else steering


def _proxied(spec: TrafficPolicySpec) -> Wish:
    """What only a TrafficPolicy may ask for."""
    return Wish(
        capacity=spec.capacity,
        canary=_portion(spec.canary),
        mirror=_portion(spec.mirror),
        panic=None if spec.panic is None else model.Panic(**structs.asdict(spec.panic)),
        affinity=None if spec.affinity is None else model.Affinity(**structs.asdict(spec.affinity)),
        timeouts=spec.timeouts and _timeouts(spec.timeouts),
        retries=spec.retries and _retries(spec.retries),
        breakers=spec.breakers and _breakers(spec.breakers),
        outlier=spec.outlier and _outlier(spec.outlier),
        slow_start=None if spec.slow_start is None else resilience.SlowStart(**structs.asdict(spec.slow_start)),
        rate_limit=spec.rate_limit and _rate_limit(spec.rate_limit),
        connection_seconds=spec.max_connection_age_seconds,
    )


def _portion(spec: PortionSpec | None) -> model.Portion | None:
    return None if spec is None else model.Portion(spec.to, round(spec.percent * _PPM))


def _timeouts(spec: TimeoutsSpec) -> resilience.Timeouts:
    return resilience.Timeouts(request=spec.request_ms, idle=spec.idle_ms, connect=spec.connect_ms)


def _retries(spec: RetriesSpec) -> resilience.Retries:
    budget = spec.budget or BudgetSpec()
    return resilience.Retries(
        on=tuple(spec.on),
        attempts=spec.attempts,
        per_try=spec.per_try_ms,
        base=spec.base_ms,
        most=spec.max_ms,
        budget=budget.percent,
        least=budget.least,
    )


def _breakers(spec: BreakersSpec) -> resilience.Breakers:
    return resilience.Breakers(connections=spec.max_connections, pending=spec.max_pending, requests=spec.max_requests)


def _outlier(spec: OutlierSpec) -> resilience.Outlier:
    return resilience.Outlier(
        errors=spec.consecutive_errors,
        base=spec.base_ejection_ms,
        most=spec.max_ejection_ms,
        percent=spec.max_ejection_percent,
    )


def _rate_limit(spec: RateLimitSpec) -> resilience.RateLimit:
    return resilience.RateLimit(rps=spec.requests_per_second, burst=spec.burst)
