"""How much of a name our own word alone may take away at a time: a prober that is sick itself empties nothing. Pure.

Within ten seconds at most half of what is ready, or one target where that is more. What another member's evidence
agrees with is not held back, but it counts: what is gone is gone.
"""

from collections.abc import Sequence

from msgspec import Struct

WINDOW = 10_000
"""Milliseconds."""


class Stake(Struct, frozen=True):
    """One target of a name, with so many endpoints `ready`. `gone`: the Unix millisecond at which it was taken away (0:
    it was not); `alone`: since which one our own evidence, which nobody shares, would take it (None: it would not).
    """

    key: str
    ready: int
    gone: int = 0
    alone: int | None = None


def held_back(stakes: Sequence[Stake], now: int) -> dict[str, int]:
    """Until which millisecond each of those is held back that may not go now; who has been down longest goes first."""
    recent = [one for one in stakes if one.gone and now - one.gone < WINDOW]
    most = sum(one.ready for one in stakes if not one.gone or one in recent) // 2
    lost, any_gone = sum(one.ready for one in recent), bool(recent)
    until = min((min(one.gone, now) for one in recent), default=now) + WINDOW
    held: dict[str, int] = {}
    for one in sorted(stakes, key=lambda stake: (stake.alone or 0, stake.key)):
        if one.alone is None or one.gone:
            continue
        if any_gone and lost + one.ready > most:
            held[one.key] = until
        else:
            lost, any_gone = lost + one.ready, True
    return held
