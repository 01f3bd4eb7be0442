"""What one level asks of steering, field by field, and how levels are put together (design section 7)."""

from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from federation.model.policy import Affinity, Panic, Policy, Portion, Price, Probe, Ramp
from federation.model.resilience import Breakers, Outlier, RateLimit, Resilience, Retries, SlowStart, Timeouts


class Wish(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The fields of a `Policy` and of its `Resilience`, each None where this level says nothing."""

    order: tuple[str, ...] | None = None
    threshold: int | None = None
    capacity: int | None = None
    weights: dict[str, int] | None = None
    drain: tuple[str, ...] | None = None
    prices: tuple[Price, ...] | None = None
    price_ms: int | None = None
    residency: tuple[str, ...] | None = None
    least: dict[str, int] | None = None
    most: dict[str, int] | None = None
    canary: Portion | None = None
    mirror: Portion | None = None
    panic: Panic | None = None
    affinity: Affinity | None = None
    ramp: Ramp | None = None
    probe: Probe | None = None
    timeouts: Timeouts | None = None
    retries: Retries | None = None
    breakers: Breakers | None = None
    outlier: Outlier | None = None
    slow_start: SlowStart | None = None
    rate_limit: RateLimit | None = None
    connection_seconds: int | None = None


HINTED = ("capacity", "affinity", "ramp", *Resilience.__struct_fields__)
"""What an exporter may say of its service to those who call it; where their requests go is theirs to say."""


def over(first: Wish, second: Wish) -> Wish:
    """What `first` says, and of what it does not speak, what `second` says."""
    names = first.__struct_fields__
    return Wish(**{n: getattr(second if getattr(first, n) is None else first, n) for n in names})


class InForce(Struct, frozen=True):
    """The policy in force, and for each field that any level set, which one did."""

    policy: Policy
    sources: dict[str, str]


def in_force(levels: Sequence[tuple[str, Wish]]) -> InForce:
    """Each field of the first level that says anything of it; levels by name, the strongest first."""
    fields: dict[str, Any] = {}
    sources: dict[str, str] = {}
    for level, wish in levels:
        for name in wish.__struct_fields__:
            value = getattr(wish, name)
            if value is not None and name not in fields:
                fields[name], sources[name] = value, level
    parts = {name: fields.pop(name) for name in Resilience.__struct_fields__ if name in fields}
    return InForce(Policy(**fields, resilience=Resilience(**parts)), sources)


def hint_of(wish: Wish) -> Wish:
    """What of it an exporter says to others."""
    return Wish(**{name: getattr(wish, name) for name in HINTED})
