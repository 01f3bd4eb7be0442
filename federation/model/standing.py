"""What probes say of something: is it up, since when, how much gets lost."""

from collections.abc import Iterable

from msgspec import Struct


class Standing(Struct, frozen=True, gc=False):
    """One observer's verdict. `since` is the Unix millisecond of the last change, 0 when there was none; `loss` in per
    cent, of the last probes."""

    up: bool = True
    since: int = 0
    loss: int = 0


UNKNOWN = Standing()
"""Before the first data: not down (design section 6)."""


def best(found: Iterable[Standing]) -> Standing:
    """Of several ways to one member the best: up before down, then the longer up, then the less lossy."""
    return min(found, key=lambda one: (not one.up, one.since, one.loss), default=UNKNOWN)
