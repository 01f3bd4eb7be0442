"""The guard: a change of intent that removes too much is held, not obeyed (design section 3). Pure.

It never holds back loss that is proven on the data path: unready endpoints are no removal.
"""

from collections.abc import Mapping

from msgspec import Struct

from federation.model.names import ServiceKey

ALWAYS_FREE = 2
FREE_IN_WINDOW = 5
"""So many one after another are a person at work, whatever their share."""
LIMIT_PERCENT = 30
WINDOW = CONFIRMED_AFTER = 30.0
"""Seconds over which withdrawals are counted together, and for which one that is held must have been seen."""


class Held(Struct, frozen=True):
    """Why these removals wait, and what lets them pass."""

    services: tuple[ServiceKey, ...]
    reason: str


def judge(offered: int, withdrawn: Mapping[ServiceKey, float], gone: int = 0) -> Held | None:
    """Hold what vanishes, by the seconds for which that was seen, until it was seen for 30: when it is more than two
    and more than 30 % of the offered services at once, or, with those already `gone` within 30 s, more than five and
    more than 30 %.
    """
    waiting = tuple(sorted(key for key, seconds in withdrawn.items() if seconds < CONFIRMED_AFTER))
    if waiting and gone and _too_many(len(withdrawn) + gone, offered + gone, FREE_IN_WINDOW):
        return Held(waiting, _reason(len(withdrawn) + gone, offered + gone, f"within {WINDOW:.0f} s"))
    if waiting and _too_many(len(withdrawn), offered, ALWAYS_FREE):
        return Held(waiting, _reason(len(withdrawn), offered, "at once"))
    return None


def _too_many(vanished: int, offered: int, free: int) -> bool:
    return vanished > free and vanished * 100 > offered * LIMIT_PERCENT


def _reason(vanished: int, offered: int, how: str) -> str:
    return (
        f"{vanished} of {offered} exported services vanished {how} (limit {LIMIT_PERCENT} %): held until this "
        f"has been seen for {CONFIRMED_AFTER:.0f} s"
    )
