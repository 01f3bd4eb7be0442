"""Policies: what an operator says of how a service or a public name is steered (design section 7).

Integers only, so that every program that reads a policy computes the same from it.
"""

from typing import Literal

from msgspec import Struct

from federation.model.names import ServiceKey

Steering = Literal["steered", "weighted"]


class Range(Struct, frozen=True):
    """What a number may be, both ends included."""

    low: int
    high: int


TTL = Range(1, 86_400)
THRESHOLD = Range(1, 100)
WEIGHT = Range(0, 1_000_000)
RETURN_PERCENT = Range(1, 100)
RETURN_SECONDS = Range(1, 3_600)
PROBE_PORT = Range(0, 65_535)
PROBE_INTERVAL_MS = Range(100, 60_000)
PROBE_TIMEOUT_MS = Range(10, 30_000)
PROBE_COUNT = Range(1, 20)
PROBE_PATH_MAX = 1_024
REGIONS_MAX = 32


def is_path(text: str) -> bool:
    """True for what a probe may ask for: it begins with "/" and holds printable ASCII without spaces."""
    return text.startswith("/") and text.isascii() and text.isprintable() and " " not in text


class Ramp(Struct, frozen=True):
    """How a recovered target comes back: `percent` of all requests more for every `seconds` that it has been well."""

    percent: int = 10
    seconds: int = 10


class Probe(Struct, frozen=True, kw_only=True):
    """A health probe: an HTTP GET of `path` that must answer 200 to 399, or with path "" a TCP connection.

    `port` 0 is the endpoint's own port. `unhealthy` failures in a row take the target away, `healthy` successes in a
    row bring it back; each probe may take `timeout_ms` and begins `interval_ms` after the one before.
    """

    port: int = 0
    path: str = ""
    interval_ms: int = 1_000
    timeout_ms: int = 1_000
    unhealthy: int = 3
    healthy: int = 2


class Policy(Struct, frozen=True, kw_only=True):
    """What the law is told beside its candidates.

    `order`: regions, preferred first, those not named follow by cost; the client's own member always comes first.
    `threshold`: per cent of ready endpoints below which traffic begins to leave a member; 0 is 100/1.4.
    `weights`: parts by region; with any, they take the place of order and cost. `drain`: regions that get nothing.
    """

    order: tuple[str, ...] = ()
    threshold: int = 0
    weights: dict[str, int] = {}
    drain: tuple[str, ...] = ()
    ramp: Ramp = Ramp()
    probe: Probe | None = None


class GlobalName(Struct, frozen=True, kw_only=True):
    """A public name: `host` answers with the public addresses of the members that offer `service`.

    `ttl` in seconds. `policy.weights` are used when `steering` is `weighted`.
    """

    host: str
    service: ServiceKey
    steering: Steering = "steered"
    ttl: int = 30
    policy: Policy = Policy()
