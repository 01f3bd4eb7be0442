"""A moving average over TAU_MS that forgets exponentially, in integers. Pure.

Exact for gaps of any length: a silence of 60 s leaves the same whether it is looked at once or sixty times.
"""

from math import exp

TAU_MS = 10_000
"""Milliseconds in which what was goes down to 1/e (design section 7: demand is an average over 10 s)."""

_ONE = 1 << 32
_KEPT = tuple(round(exp(-(1 << bit) / TAU_MS) * _ONE) for bit in range(18))
"""What is kept of a value over 1, 2, 4, ... milliseconds, in parts of 2^32."""


def faded(value: int, ms: int) -> int:
    """What is left of this value after so many milliseconds of nothing."""
    if ms >> len(_KEPT):
        return 0
    for bit, kept in enumerate(_KEPT):
        if ms >> bit & 1:
            value = (value * kept + _ONE // 2) // _ONE
    return value


def averaged(value: int, rate: int, ms: int) -> int:
    """The average after so many milliseconds at this rate."""
    return rate + faded(value - rate, ms)
