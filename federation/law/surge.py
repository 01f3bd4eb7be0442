"""A rise of demand is believed at once, a fall over TAU_MS: the average of 10 s alone leaves a member over capacity for
half of that. Pure, integers; rates in thousandths of a request per second.

Judged on the sum per service: a shift of shares moves ways, not sums.
"""

from collections.abc import Iterator
from math import isqrt

from msgspec import Struct

from federation.law.average import averaged

RISE_PERCENT = 125
"""What must be exceeded, in per cent of what is believed: a member filled to 0.8 of its capacity has that much left."""

SIGMAS = 5
"""Standard deviations of a Poisson count that must be exceeded as well. They are taken of square roots, where they are
1/2 at any rate (Bartlett 1936), so that small counts, which are skewed, raise no alarm either.
"""

SPAN_MS = 4_000
"""What one report cannot tell from chance is judged with those before it, over up to so many milliseconds."""

OVER_PERCENT, OVER = 5, 1_000
"""What is believed counts until it is within so many per cent, or one request per second, of the average."""


class Counted(Struct, frozen=True):
    """One service: the average rate `slow`, and the rate `fast` that was counted over the last `ms` alone."""

    slow: int
    fast: int
    ms: int


class Surge(Struct, frozen=True):
    """The rate that is believed since a surge, 0: none; it follows what is counted as the average does. `fresh`: the
    surge was seen at the last look, which may have counted but a part of it. `at` is the millisecond of that look.
    `recent` are the rates of the last counts with their milliseconds, the newest first.
    """

    level: int = 0
    at: int = 0
    fresh: bool = False
    recent: tuple[tuple[int, int], ...] = ()


NONE = Surge()


def believed(held: Surge, counted: Counted, now: int) -> Surge:
    """What is believed after one more count, at this millisecond."""
    level = averaged(held.level, counted.fast, now - held.at) if held.level else 0
    known = max(level, counted.slow)
    recent = _recent(held, counted)
    for span in _spans(recent, counted.slow):
        if rises(known, span):
            return Surge(span.fast, now, fresh=True, recent=recent)
    if held.fresh and counted.fast > known:
        return Surge(counted.fast, now, recent=recent)
    still = level - counted.slow > max(OVER, counted.slow * OVER_PERCENT // 100)
    return Surge(level if still else 0, now, recent=recent)


def _recent(held: Surge, counted: Counted) -> tuple[tuple[int, int], ...]:
    """The counts that lie in SPAN_MS, the newest at any rate; nothing when it counted nothing."""
    if not counted.ms:
        return ()
    kept, ms = [(counted.fast, counted.ms)], counted.ms
    for rate, length in held.recent:
        ms += length
        if ms > SPAN_MS:
            break
        kept.append((rate, length))
    return tuple(kept)


def _spans(recent: tuple[tuple[int, int], ...], slow: int) -> Iterator[Counted]:
    """The newest count, then it together with one more before it, and so on."""
    total, ms = 0, 0
    for rate, length in recent:
        total, ms = total + rate * length, ms + length
        yield Counted(slow, total // ms, ms)


def rises(known: int, counted: Counted) -> bool:
    """Whether so much was counted that chance does not explain it where `known` is the rate."""
    usual, found = (rate * counted.ms // 1_000_000 for rate in (known, counted.fast))
    beyond = isqrt(SIGMAS * SIGMAS * usual) + SIGMAS * SIGMAS // 4
    return counted.fast * 100 > known * RISE_PERCENT and found > usual + beyond


def without_retries(requests: int, errors: int, usual_errors: int) -> int:
    """A rate without what may be retries: there are no more of them than errors beyond the usual ones."""
    return requests - max(0, errors - usual_errors)
