"""What proxies do for a request beside choosing where it goes: times, retries, limits. Numbers are 0 where Envoy's or
our own default holds.
"""

from typing import Literal

from msgspec import Struct

RetryOn = Literal[
    "5xx", "gateway-error", "reset", "reset-before-request", "connect-failure", "envoy-ratelimited", "retriable-4xx",
    "refused-stream", "http3-post-connect-failure", "cancelled", "deadline-exceeded", "internal", "resource-exhausted",
    "unavailable",
]  # fmt: skip
"""Envoy's retry_on words that need nothing beside them (HTTP and gRPC)."""


class Timeouts(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """In milliseconds. `request`: until the whole answer is there (0: no limit). `idle`: a stream without a byte (0: 5
    minutes; of TCP: an hour). `connect`: until a connection stands (0: 1 s).
    """

    request: int = 0
    idle: int = 0
    connect: int = 0


class Retries(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """`on`: Envoy's retry_on words, besides what never reached a server, which is always retried. `attempts` after the
    first (0: 2). `per_try` and the back-off (`base`, doubled with jitter up to `most`) in milliseconds. `budget`:
    retries may be this per cent of active requests (0: 20; without `on` 100), but `least` may always run at once
    (0: 10; without `on` 1,000: what never reached a server loads none).
    """

    on: tuple[str, ...] = ()
    attempts: int = 0
    per_try: int = 0
    base: int = 0
    most: int = 0
    budget: int = 0
    least: int = 0


class Breakers(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """How much one proxy may have under way at once to a service: connections, requests that wait, requests."""

    connections: int = 0
    pending: int = 0
    requests: int = 0


class Outlier(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """An endpoint of the own member is left out for `base` ms (longer each time, up to `most`) after so many `errors`
    (5xx) in a row; at most this per cent of them are out at once. A gateway is never judged by its answers.
    """

    errors: int = 0
    base: int = 0
    most: int = 0
    percent: int = 0


class SlowStart(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A new endpoint of the own member gets its full part after `seconds`, from `percent` on. Not under an affinity."""

    seconds: int = 0
    percent: int = 10


class RateLimit(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What one proxy of the exporter lets in at each HTTP port of a service: requests per second, and how many at once
    (0: as many as in a second). More is answered 429.
    """

    rps: int
    burst: int = 0


class Resilience(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """All of it. `connection_seconds`: a connection is drained and made anew after so long (0: an hour; of TCP, which
    is cut, never).
    """

    timeouts: Timeouts = Timeouts()
    retries: Retries = Retries()
    breakers: Breakers = Breakers()
    outlier: Outlier | None = None
    slow_start: SlowStart | None = None
    rate_limit: RateLimit | None = None
    connection_seconds: int = 0


NO_RESILIENCE = Resilience()
