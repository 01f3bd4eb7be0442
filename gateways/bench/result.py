"""What `isthmus bench link` says of one link. Pure."""

from collections.abc import Iterable, Sequence
from statistics import median

from msgspec import Struct

BUSY = 0.85
"""The part of its time from which on this program, and not the link, may be what limits."""


class Trips(Struct, frozen=True):
    """Round trips, in milliseconds, and the percentage of echoes that did not come back."""

    least_ms: float
    median_ms: float
    p99_ms: float
    lost_percent: float


class Carried(Struct, frozen=True, kw_only=True):
    """What a link carried each way. `bytes` is the size of the echoes and `window` how many were under way; `own` is
    the part of a processor that measuring took.
    """

    mbit: float
    bytes: int
    window: int
    seconds: float
    own: float
    trips: Trips


class LinkResult(Struct, frozen=True, kw_only=True):
    """One link. `carried` None: nothing came back."""

    member: str
    gateway: int
    idle: Trips | None
    carried: Carried | None

    @property
    def limited(self) -> bool:
        """True when the link may carry more than this program could ask of it."""
        return self.carried is not None and self.carried.own >= BUSY


def trips_of(seconds: Sequence[float], lost: int) -> Trips | None:
    """None when nothing came back."""
    if not seconds:
        return None
    found = sorted(one * 1_000 for one in seconds)
    p99 = found[min(len(found) - 1, len(found) * 99 // 100)]
    percent = 100 * lost / (lost + len(found))
    return Trips(round(found[0], 3), round(median(found), 3), round(p99, 3), round(percent, 3))


def lines(result: LinkResult) -> Iterable[str]:
    """For people."""
    name = f"{result.member} gateway {result.gateway}"
    if result.idle is None or result.carried is None:
        yield f"{name}: nothing came back: see `isthmus gateway verify`"
        return
    yield f"{name}: idle: {_told(result.idle)}"
    carried = result.carried
    how = f"echoes of {carried.bytes} bytes, {carried.window} under way, for {carried.seconds:.1f} s"
    yield f"{name}: {carried.mbit:.1f} Mbit/s each way: {how}: {_told(carried.trips)}"
    if result.limited:
        yield f"{name}: measuring took {carried.own:.0%} of a processor: the link may carry more"


def _told(trips: Trips) -> str:
    found = f"least {trips.least_ms:.2f}, median {trips.median_ms:.2f}, p99 {trips.p99_ms:.2f} ms"
    return f"{found}, {trips.lost_percent:g} % lost"
