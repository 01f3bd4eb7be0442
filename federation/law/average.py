"""A moving average over TAU_MS that forgets exponentially, in integers. Pure.

Exact for gaps of any length: a silence of 60 s leaves the same whether it is looked at once or sixty times.
"""

from functools import lru_cache
from math import exp

TAU_MS = 10_000
"""Milliseconds in which what was goes down to 1/e (design section 7: demand is an average over 10 s)."""

_BITS = 48
_ONE, _HALF = 1 << _BITS, 1 << _BITS - 1
_KEPT = tuple(round(exp(-(1 << bit) / TAU_MS) * _ONE) for bit in range(18))
"""What is kept of a value over 1, 2, 4, ... milliseconds, in parts of _ONE."""


def faded(value: int, ms: int) -> int:
    """What is left of this value after so many milliseconds of nothing."""
    return (value * _left(ms) + _HALF) >> _BITS if value and ms else value


@lru_cache(4_096)
def _left(ms: int) -> int:
    if ms >> len(_KEPT):
        return 0
    part = _ONE
    for bit, kept in enumerate(_KEPT):
        if ms >> bit & 1:
            part = part * kept >> _BITS
    return part


def averaged(value: int, rate: int, ms: int) -> int:
    """The average after so many milliseconds at this rate."""
    return rate + faded(value - rate, ms)
