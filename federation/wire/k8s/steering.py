"""What the types do not say of the spec of a policy or a public name. Pure; `rules.py` says the same in CEL."""

from collections.abc import Iterable, Sequence

from federation.model.names import is_label
from federation.model.policy import Probe, is_region, is_target, is_term, is_token
from federation.model.probes import probe_fault
from federation.wire.k8s.policies import AffinitySpec, PanicSpec, PriceSpec, SteeringSpec, TrafficPolicySpec, spoken
from federation.wire.k8s.wishes import probe_of

SHOWN = 80
"""Characters of a wrong text that are repeated."""
TERMS = "write a region, member/NAME, label/KEY=VALUE, @region or @az"
TARGETS = "write a region, member/NAME or label/KEY=VALUE"


def steering_fault(spec: SteeringSpec) -> str | None:
    """Field, value and limit of the first fault of what both kinds may ask for."""
    return (
        _lists_fault(spec)
        or _weights_fault(spec)
        or _prices_fault(spec.prices)
        or _bounds_fault(spec)
        or _probe_fault(spec)
    )


def policy_fault(spec: TrafficPolicySpec, name: str) -> str | None:
    """Field, value and limit of the first fault of the policy of this name."""
    portions = [(field, one) for field in ("canary", "mirror") if (one := getattr(spec, field)) is not None]
    for field, portion in portions:
        if not is_target(portion.to):
            return f'field "spec.{field}.to": "{portion.to[:SHOWN]}" names nobody: {TARGETS}'
        if spec.residency and is_region(portion.to) and portion.to not in spec.residency:
            return f'field "spec.{field}.to": "{portion.to}" is not in spec.residency'
    return (
        steering_fault(spec)
        or _program_fault(spec)
        or _panic_fault(spec, name)
        or _affinity_fault(spec.affinity)
        or _waits_fault(spec)
    )


def _lists_fault(spec: SteeringSpec) -> str | None:
    for field, said in (("order", spec.order), ("drain", spec.drain), ("residency", spec.residency)):
        twice = _twice(said)
        if twice is not None:
            return f'field "spec.{field}": "{twice[:SHOWN]}" stands there twice'
    term = next((term for term in spec.order if not is_term(term)), None)
    return None if term is None else f'field "spec.order": "{term[:SHOWN]}" is no term: {TERMS}'


def _weights_fault(spec: SteeringSpec) -> str | None:
    if spec.weights and not any(spec.weights.values()):
        return 'field "spec.weights": all are 0: give at least one region a weight above 0'
    if spec.weights and spec.residency and not any(spec.weights.get(region, 0) for region in spec.residency):
        return 'field "spec.residency": leaves nobody: no region in it has a weight above 0'
    return None


def _prices_fault(prices: Sequence[PriceSpec]) -> str | None:
    pair = _twice([f"from {price.source} to {price.to}" for price in prices])
    return None if pair is None else f'field "spec.prices": {pair} stands there twice'


def _bounds_fault(spec: SteeringSpec) -> str | None:
    total = sum(spec.least.values())
    if total > 100:
        return f'field "spec.minShare": {total} per cent in all, at most 100'
    for region, least in spec.least.items():
        if least > spec.most.get(region, 100):
            return f'field "spec.minShare": {region} has more than its maxShare'
        if spec.residency and region not in spec.residency:
            return f'field "spec.minShare": "{region}" is not in spec.residency'
    return None


def _probe_fault(spec: SteeringSpec) -> str | None:
    if spec.probe is not None and spec.probes:
        return 'field "spec.probes": give probe or probes, not both'
    if spec.need is not None and not spec.probes:
        return 'field "spec.need": only used with probes'
    probe = probe_of(spec)
    fault = None if probe is None else probe_fault(probe)
    if fault is None:
        return None
    field, why = fault
    return f'field "spec.{spoken(field if spec.probes else f"probe.{field}")}": {why}'


def _program_fault(spec: TrafficPolicySpec) -> str | None:
    probe = probe_of(spec) or Probe()
    if any(one.way == "exec" for one in probe.each):
        field = "probes" if spec.probes else "probe.kind"
        return f'field "spec.{field}": exec is for GlobalNames: node agents run no programs'
    return None


def _panic_fault(spec: TrafficPolicySpec, name: str) -> str | None:
    panic = spec.panic or PanicSpec()
    if panic.fallback and panic.action != "fallback":
        return 'field "spec.panic.fallback": only used with action fallback'
    if panic.action != "fallback":
        return None
    if not panic.fallback:
        return 'field "spec.panic.fallback": action fallback needs the name of a service of the same namespace'
    if not is_label(panic.fallback):
        return f'field "spec.panic.fallback": "{panic.fallback}" is not a DNS label'
    if spec.target == "Namespace":
        return 'field "spec.panic.action": fallback is for one service: set spec.target to Service'
    if panic.fallback == name:
        return f'field "spec.panic.fallback": "{name}" cannot take the place of itself'
    return None


def _affinity_fault(affinity: AffinitySpec | None) -> str | None:
    if affinity is None:
        return None
    if affinity.by == "source" and affinity.name:
        return 'field "spec.affinity.name": only used with by header or cookie'
    if affinity.by != "source" and not affinity.name:
        return f'field "spec.affinity.name": affinity by {affinity.by} needs the name of the {affinity.by}'
    if affinity.name and not is_token(affinity.name):
        return f'field "spec.affinity.name": {affinity.name!r} is no name of a header or cookie (RFC 9110, token)'
    if affinity.seconds and affinity.by != "cookie":
        return 'field "spec.affinity.seconds": only used with by cookie'
    return None


def _waits_fault(spec: TrafficPolicySpec) -> str | None:
    if spec.retries is not None and 0 < spec.retries.max_ms < spec.retries.base_ms:
        return f'field "spec.retries.maxMs": {spec.retries.max_ms} is less than baseMs {spec.retries.base_ms}'
    outlier = spec.outlier
    if outlier is not None and 0 < outlier.max_ejection_ms < outlier.base_ejection_ms:
        limit = f"{outlier.max_ejection_ms} is less than baseEjectionMs {outlier.base_ejection_ms}"
        return f'field "spec.outlierDetection.maxEjectionMs": {limit}'
    return None


def _twice(said: Iterable[str]) -> str | None:
    seen: set[str] = set()
    for one in said:
        if one in seen:
            return one
        seen.add(one)
    return None
