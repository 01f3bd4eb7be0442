"""A verdict from a series of probes: hysteresis, and patience with what flaps. Pure; milliseconds come from the caller.

Down needs `fall` failures in a row, up again `rise` successes in a row, twice as many for every time it went down of
late (RFC 2439's idea, with a bound), so that what flaps stays away longer and longer.
"""

from msgspec import Struct, structs

from federation.model.standing import Standing

FLAPS_MAX = 4
"""At most 2^3 times as many successes are asked for."""

FORGIVEN_AFTER = 60_000
"""Milliseconds of being up after which one flap is forgotten."""


class Limits(Struct, frozen=True):
    """How many failures in a row take something down, and how many successes in a row bring it back."""

    fall: int = 3
    rise: int = 2


class Verdict(Struct, frozen=True):
    """What is believed, and what the next probes may change. `up` None: no verdict yet, which is not down."""

    up: bool | None = None
    since: int = 0
    run: int = 0
    flaps: int = 0

    @property
    def standing(self) -> Standing:
        """The verdict as the law reads it."""
        return Standing(self.up is not False, self.since)


def observe(verdict: Verdict, good: bool, now: int, limits: Limits) -> Verdict:
    """The verdict after one more probe at `now`. A first verdict is no change: nothing comes back that never was."""
    if verdict.up is None:
        return _first(verdict, good, now, limits)
    if good == verdict.up:
        return structs.replace(verdict, run=0) if verdict.run else verdict
    run = verdict.run + 1
    if run < needed(verdict, limits):
        return structs.replace(verdict, run=run)
    return Verdict(up=good, since=now, flaps=_flaps(verdict, now) if verdict.up else verdict.flaps)


def needed(verdict: Verdict, limits: Limits) -> int:
    """How many probes in a row must contradict the verdict; the first return asks for `rise`."""
    return limits.fall if verdict.up else limits.rise << max(0, verdict.flaps - 1)


def _first(verdict: Verdict, good: bool, now: int, limits: Limits) -> Verdict:
    if good:
        return Verdict(up=True)
    if verdict.run + 1 < limits.fall:
        return structs.replace(verdict, run=verdict.run + 1)
    return Verdict(up=False, since=now, flaps=1)


def _flaps(verdict: Verdict, now: int) -> int:
    """One more, after forgetting one for every minute that it stayed up."""
    left = max(0, verdict.flaps - (now - verdict.since) // FORGIVEN_AFTER)
    return min(FLAPS_MAX, left + 1)
