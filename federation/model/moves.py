"""Traffic that an operator moves by hand, as ages: every program computes the same part of the way from them."""

from msgspec import Struct

from federation.model.names import MemberName, ServiceKey

STEPS = 10
"""A move that takes time goes in so many equal steps."""


class Leaving(Struct, frozen=True):
    """A member is drained since this Unix millisecond, over so many seconds (0: at once)."""

    since: int
    seconds: int = 0


class Shift(Struct, frozen=True, kw_only=True):
    """Of what the law gives `source` for the service, this part (ppm) goes to `to` instead, since this Unix millisecond
    over so many seconds. Key `shift/<service>/<source>/<to>` of a record, where it counts for the owner as `source`
    alone.
    """

    service: ServiceKey
    source: MemberName
    to: MemberName
    ppm: int
    since: int
    seconds: int = 0


def moved(since: int, seconds: int, now: int) -> int:
    """How much of a move is done at this Unix millisecond, in STEPS-ths; the first step is taken at once."""
    if seconds <= 0:
        return STEPS
    return min(STEPS, max(0, now - since) * STEPS // (seconds * 1_000) + 1)
