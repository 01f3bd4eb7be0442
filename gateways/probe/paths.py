"""What probes say of the ways to peers' gateways: round trip, loss, up or down. Pure: time comes from the caller.

Idle ways are probed once a second, all in one batch; those that carry requests, and those in doubt, five times. The
first of these that is late makes haste: extra probes go in between, which can hold a way up and never take it down.

So a way goes down when four probes over 0.6 s are late and nothing that was sent since the first came back, on a short
link after 0.75 s. With 5 % lost each way four in a row are 0.73 false alarms in half an hour on a way in use; with the
seven extra ones it is one in some ten million half hours (README).
"""

import math
from collections.abc import Mapping

from msgspec import Struct

from federation.health.verdict import Limits, Verdict, observe
from federation.model.standing import UNKNOWN, Standing
from gateways.probe.trips import NO_TRIP, Trip, Trips

SLOW, FAST, HASTE = 1.0, 0.2, 0.05
"""Seconds between two probes of an idle way, of one in use or in doubt, and of one in haste with its extra ones."""

EXTRAS = 1_000
"""Extra probes a second to all ways together, at most: with more than 50 in haste each has fewer, from 200 on none."""

LIMITS = Limits(fall=4, rise=3)

KEPT = 5.0
"""Seconds for which an answer to a lost probe still says that the way is up."""

WINDOW = 30
"""The last probes over which loss is counted, in steps of ten per cent so that noise does not move shares.

Counted anew after each change of verdict: what an outage lost says nothing of the way that came back.
"""

NEVER = math.inf


class Now(Struct, frozen=True):
    """The moment: monotonic seconds for intervals, Unix milliseconds for what is told to others."""

    seconds: float
    wall_ms: int


class _Probe(Struct):
    at: float
    extra: bool
    late: bool = False


class _Path(Struct):
    due: float
    sent: dict[int, _Probe]
    lost: dict[int, float]
    trips: Trips
    extra: float = NEVER
    verdict: Verdict = Verdict()
    recent: int = 0
    count: int = 0

    def late_after(self) -> float:
        """Seconds after which a probe contradicts that the way is up, or on its way back."""
        return self.trips.late_after() if self.verdict.up else self.trips.lost_after()

    def doubtful(self) -> bool:
        """True while the next probes may change what is believed."""
        return self.verdict.up is None or self.verdict.run > 0

    def hasty(self) -> bool:
        """True from the first late probe of a way that is up until one is answered."""
        return self.verdict.up is True and self.verdict.run > 0

    def take(self, good: bool, now: Now) -> None:
        before = self.verdict.up
        self.verdict = observe(self.verdict, good, now.wall_ms, LIMITS)
        if self.verdict.up != before:
            self.recent = self.count = 0
        if not self.hasty():
            self.extra = NEVER

    def counted(self, lost: bool) -> None:
        """One more probe for the loss: not the extra ones, which go when one was lost."""
        self.recent = (self.recent << 1 | lost) & ((1 << WINDOW) - 1)
        self.count = min(WINDOW, self.count + 1)

    def loss(self) -> int:
        if self.count < WINDOW or not self.verdict.up:
            return 0
        return self.recent.bit_count() * 10 // WINDOW * 10

    def next(self) -> float:
        """When there is something to send or to judge."""
        moment = min(self.due, self.extra)
        if not self.sent:
            return moment
        late, lost = self.late_after(), self.trips.lost_after()
        return min(moment, *(one.at + (lost if one.late or one.extra else late) for one in self.sent.values()))


class Paths:
    """Every way that is probed, by the overlay address of the gateway at its end."""

    def __init__(self) -> None:
        self._paths: dict[str, _Path] = {}
        self._standings: dict[str, Standing] = {}
        self._sequence = 0
        self._pause = HASTE

    def begin(self, wanted: Mapping[str, bool], now: Now) -> tuple[int, list[str]]:
        """The next sequence number (0 to 65535) and the addresses to probe with it now.

        `wanted` has every address, True for those that carry requests; others are forgotten.
        """
        self._sequence = (self._sequence + 1) & 0xFFFF
        if wanted.keys() != self._paths.keys():
            self._paths = {a: self._paths.get(a) or _Path(now.seconds, {}, {}, Trips()) for a in wanted}
            self._standings = {a: _standing(path) for a, path in self._paths.items()}
        return self._sequence, [a for a, path in self._paths.items() if min(path.due, path.extra) <= now.seconds]

    def sent(self, address: str, sequence: int, now: Now) -> None:
        """A probe has left."""
        path = self._paths[address]
        path.sent[sequence] = _Probe(now.seconds, extra=path.due > now.seconds)

    def unsent(self, address: str, sequence: int, now: Now) -> None:
        """A probe could not leave: nothing is known of a way that never answered, and one that did is lost."""
        if self._paths[address].verdict.up:
            self.sent(address, sequence, now)

    def plan(self, address: str, busy: bool, now: Now) -> None:
        """When to probe this address again; idle ones stay together in one batch a second."""
        path = self._paths[address]
        path.due = _tick(now.seconds, FAST if busy or path.doubtful() else SLOW)
        path.extra = self._next_extra(now) if path.hasty() else NEVER

    def answered(self, address: str, sequence: int, now: Now) -> None:
        """An answer arrived. What was not asked, or was answered already, says nothing."""
        path = self._paths.get(address)
        if path is None:
            return
        probe, lost = path.sent.pop(sequence, None), path.lost.pop(sequence, None)
        asked = lost if probe is None else probe.at
        if asked is None:
            return
        path.trips.took(now.seconds - asked, now.seconds)
        path.take(True, now)
        if probe is not None and not probe.extra:
            path.counted(lost=False)
        self._tell(address, path)

    def judge(self, now: Now) -> None:
        """Take note of what has been out for too long."""
        for address, path in self._paths.items():
            if path.sent or path.lost:
                self._judge(path, now)
                self._tell(address, path)
        hasty = [path for path in self._paths.values() if path.hasty()]
        self._pause = max(HASTE, len(hasty) / EXTRAS)
        for path in hasty:
            if path.extra == NEVER:
                path.extra = self._next_extra(now)

    def wait(self, now: Now) -> float:
        """Seconds until the next probe is due, or the next one out is late or lost."""
        moment = min((path.next() for path in self._paths.values()), default=now.seconds + SLOW)
        return max(0.01, moment - now.seconds)

    def patience(self, address: str) -> float | None:
        """Seconds after which a probe of this way counts as lost; None unless the way is known to be up."""
        path = self._paths.get(address)
        return path.trips.lost_after() if path is not None and path.verdict.up else None

    def standings(self) -> Mapping[str, Standing]:
        """What is believed of each way: the same object until one of them is another."""
        return self._standings

    def standing(self, address: str) -> Standing:
        """What is believed of the way to this address."""
        return self._standings.get(address, UNKNOWN)

    def trip(self, address: str, now: float) -> Trip:
        """The round trip to this address at this second."""
        path = self._paths.get(address)
        return NO_TRIP if path is None else path.trips.told(now)

    def _judge(self, path: _Path, now: Now) -> None:
        lost = path.trips.lost_after()
        for sequence, probe in list(path.sent.items()):
            out = now.seconds - probe.at
            if out > path.late_after() and not (probe.late or probe.extra):
                probe.late = True
                path.take(False, now)
                if path.doubtful():
                    path.due = min(path.due, _tick(now.seconds, FAST))
            if out > lost:
                path.lost[sequence] = path.sent.pop(sequence).at
                if not probe.extra:
                    path.counted(lost=True)
        for sequence in [s for s, at in path.lost.items() if now.seconds - at > KEPT]:
            del path.lost[sequence]

    def _next_extra(self, now: Now) -> float:
        return _tick(now.seconds, self._pause) if self._pause < FAST else NEVER

    def _tell(self, address: str, path: _Path) -> None:
        standing = _standing(path)
        if standing != self._standings[address]:
            self._standings = {**self._standings, address: standing}


def _standing(path: _Path) -> Standing:
    return Standing(path.verdict.up is not False, path.verdict.since, path.loss())


def _tick(seconds: float, pause: float) -> float:
    """The next multiple of `pause`."""
    step = round(pause * 1_000)
    return (int(seconds * 1_000 + 0.5) // step + 1) * step / 1_000
