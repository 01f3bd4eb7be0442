"""What probes say of something: is it up, since when, how much gets lost."""

from msgspec import Struct


class Standing(Struct, frozen=True):
    """One observer's verdict. `since` is the Unix millisecond of the last change, 0 when there was none; `loss` in per
    cent, of the last probes."""

    up: bool = True
    since: int = 0
    loss: int = 0


UNKNOWN = Standing()
"""Before the first data: not down (design section 6)."""
