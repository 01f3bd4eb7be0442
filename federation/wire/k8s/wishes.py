"""What the spec of a policy asks for, in the model's words: integers, shares in parts per million."""

from collections.abc import Callable
from typing import TypeVar

from msgspec import structs

from federation.model import policy as model
from federation.model import resilience
from federation.model.wish import Wish, over
from federation.wire.k8s.policies import (
    BreakersSpec,
    BudgetSpec,
    OutlierSpec,
    PortionSpec,
    ProbeSpec,
    RateLimitSpec,
    RetriesSpec,
    SteeringSpec,
    TimeoutsSpec,
    TrafficPolicySpec,
)

Spec = TypeVar("Spec")
Made = TypeVar("Made")
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
        ramp=_said(spec.ramp, lambda one: model.Ramp(one.percent, one.seconds)),
        probe=probe_of(spec),
    )
    return over(_proxied(spec), steering) if isinstance(spec, TrafficPolicySpec) else steering


def probe_of(spec: SteeringSpec) -> model.Probe | None:
    """The probe, one of several parts where `probes` are said."""
    if not spec.probes:
        return _said(spec.probe, _probe)
    need = spec.need if isinstance(spec.need, int) else int(spec.need == "any")
    return model.Probe(parts=tuple(map(_probe, spec.probes)), need=need)


def _probe(spec: ProbeSpec) -> model.Probe:
    statuses = (one.partition("-") for one in spec.statuses)
    ranges = tuple(model.Range(int(low), int(high or low)) for low, _, high in statuses)
    return model.Probe(**{**structs.asdict(spec), "kind": spec.kind or "", "statuses": ranges})


def _proxied(spec: TrafficPolicySpec) -> Wish:
    """What only a TrafficPolicy may ask for."""
    return Wish(
        capacity=spec.capacity,
        canary=_said(spec.canary, _portion),
        mirror=_said(spec.mirror, _portion),
        panic=_said(spec.panic, lambda one: model.Panic(**structs.asdict(one))),
        affinity=_said(spec.affinity, lambda one: model.Affinity(**structs.asdict(one))),
        timeouts=_said(spec.timeouts, _timeouts),
        retries=_said(spec.retries, _retries),
        breakers=_said(spec.breakers, _breakers),
        outlier=_said(spec.outlier, _outlier),
        slow_start=_said(spec.slow_start, lambda one: resilience.SlowStart(**structs.asdict(one))),
        rate_limit=_said(spec.rate_limit, _rate_limit),
        connection_seconds=spec.max_connection_age_seconds,
    )


def _said(spec: Spec | None, made: Callable[[Spec], Made]) -> Made | None:
    return None if spec is None else made(spec)


def _portion(spec: PortionSpec) -> model.Portion:
    return model.Portion(spec.to, round(spec.percent * _PPM))


def _timeouts(spec: TimeoutsSpec) -> resilience.Timeouts:
    return resilience.Timeouts(request=spec.request_ms, idle=spec.idle_ms, connect=spec.connect_ms)


def _retries(spec: RetriesSpec) -> resilience.Retries:
    budget = spec.budget or BudgetSpec()
    return resilience.Retries(
        on=tuple(spec.retry_on),
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
