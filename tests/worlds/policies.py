"""A policy in which nothing is left to defaults."""

from federation.model.policy import Affinity, Panic, Policy, Portion
from federation.model.resilience import (
    Breakers,
    Outlier,
    RateLimit,
    Resilience,
    Retries,
    SlowStart,
    Timeouts,
)

EVERYTHING = Resilience(
    timeouts=Timeouts(request=1_500, idle=2_000, connect=300),
    retries=Retries(on=("5xx", "reset"), attempts=3, per_try=500, base=10, most=40, budget=30, least=5),
    breakers=Breakers(connections=5, pending=6, requests=7),
    outlier=Outlier(errors=5, base=2_000, most=9_000, percent=50),
    slow_start=SlowStart(seconds=30, percent=20),
    rate_limit=RateLimit(rps=100, burst=200),
    connection_seconds=600,
)

FULL = Policy(
    resilience=EVERYTHING,
    affinity=Affinity(by="cookie", name="seat", seconds=60),
    mirror=Portion("eu", 10_000),
    panic=Panic("fallback", 10, "spare"),
)
