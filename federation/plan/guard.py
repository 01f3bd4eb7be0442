"""The guard: a change of intent that removes too much at once is held, not obeyed (design section 3). Pure.

It never holds back loss that is proven on the data path: unready endpoints are no removal.
"""

from collections.abc import Sequence

from msgspec import Struct

from federation.model.names import ServiceKey

ALWAYS_FREE = 2
LIMIT_PERCENT = 30
CONFIRMED_AFTER = 30.0


class Held(Struct, frozen=True):
    """Why these removals wait, and what lets them pass."""

    services: tuple[ServiceKey, ...]
    reason: str


def judge(offered: int, withdrawn: Sequence[ServiceKey], seen_for: float) -> Held | None:
    """Hold when more than two and more than 30 % of the offered services vanish, until seen so for 30 seconds."""
    if len(withdrawn) <= ALWAYS_FREE or len(withdrawn) * 100 <= offered * LIMIT_PERCENT:
        return None
    if seen_for >= CONFIRMED_AFTER:
        return None
    return Held(
        tuple(sorted(withdrawn)),
        f"{len(withdrawn)} of {offered} exported services vanished at once (limit {LIMIT_PERCENT} %): held until this "
        f"has been seen for {CONFIRMED_AFTER:.0f} s",
    )
