"""What probes say of the ways to peers' gateways: round trip, loss, up or down. Pure: time comes from the caller.

Idle ways are probed once a second, all in one batch; those that carry requests, and those in doubt, five times.
"""

from collections.abc import Mapping

from msgspec import Struct

from federation.health.verdict import Limits, Verdict, observe
from federation.model.standing import UNKNOWN, Standing

SLOW, FAST = 1.0, 0.2
"""Seconds between two probes of an idle way, and of one in use or in doubt."""

LIMITS = Limits(fall=4, rise=3)
LATE = 0.3
LATE_LEAST, LATE_MOST = 0.5, 2.0
"""A probe counts as lost when its answer is out for twice the round trip and LATE, within these bounds. Seconds."""

KEPT = 5.0
"""Seconds for which an answer to a lost probe still says that the way is up."""

TRIPS = 8
"""The last round trips that are remembered."""

SMOOTH = 16
"""How slowly the jitter follows (RFC 3550 section 6.4.1)."""

EXPIRES = 10.0
"""Seconds without an answer after which a round trip is unknown again."""

WINDOW = 30
"""The last probes over which loss is counted, in steps of ten per cent so that noise does not move shares.

Counted anew after each change of verdict: what an outage lost says nothing of the way that came back.
"""


class Now(Struct, frozen=True):
    """The moment: monotonic seconds for intervals, Unix milliseconds for what is told to others."""

    seconds: float
    wall_ms: int


class Trip(Struct, frozen=True):
    """Microseconds there and back, and by how much that differs from one probe to the next on average; -1: unknown."""

    rtt_us: int = -1
    jitter_us: int = -1


NO_TRIP = Trip()


class _Path(Struct):
    due: float
    sent: dict[int, float]
    judged: dict[int, float]
    verdict: Verdict = Verdict()
    trips: tuple[float, ...] = ()
    jitter: float = 0.0
    heard: float = 0.0
    recent: int = 0
    count: int = 0

    def patience(self) -> float:
        """Seconds after which a probe counts as lost."""
        return min(LATE_MOST, max(LATE_LEAST, 2 * max(self.trips, default=0.0) + LATE))

    def travelled(self, seconds: float) -> None:
        if self.trips:
            self.jitter += (abs(seconds - self.trips[-1]) - self.jitter) / SMOOTH
        self.trips = (*self.trips[1 - TRIPS :], seconds)

    def doubtful(self) -> bool:
        """True while the next probes may change what is believed."""
        return self.verdict.up is None or self.verdict.run > 0

    def take(self, good: bool, now: Now) -> None:
        before = self.verdict.up
        self.verdict = observe(self.verdict, good, now.wall_ms, LIMITS)
        if self.verdict.up != before:
            self.recent = self.count = 0
        self.recent = (self.recent << 1 | (not good)) & ((1 << WINDOW) - 1)
        self.count = min(WINDOW, self.count + 1)

    def loss(self) -> int:
        if self.count < WINDOW or not self.verdict.up:
            return 0
        return self.recent.bit_count() * 10 // WINDOW * 10


class Paths:
    """Every way that is probed, by the overlay address of the gateway at its end."""

    def __init__(self) -> None:
        self._paths: dict[str, _Path] = {}
        self._standings: dict[str, Standing] = {}
        self._sequence = 0

    def begin(self, wanted: Mapping[str, bool], now: Now) -> tuple[int, list[str]]:
        """The next sequence number (0 to 65535) and the addresses to probe with it now.

        `wanted` has every address, True for those that carry requests; others are forgotten.
        """
        self._sequence = (self._sequence + 1) & 0xFFFF
        if wanted.keys() != self._paths.keys():
            self._paths = {a: self._paths.get(a) or _Path(now.seconds, {}, {}) for a in wanted}
            self._standings = {a: _standing(path) for a, path in self._paths.items()}
        return self._sequence, [a for a, path in self._paths.items() if path.due <= now.seconds]

    def sent(self, address: str, sequence: int, now: Now) -> None:
        """A probe has left."""
        self._paths[address].sent[sequence] = now.seconds

    def unsent(self, address: str, sequence: int, now: Now) -> None:
        """A probe could not leave: nothing is known of a way that never answered, and one that did is lost."""
        if self._paths[address].verdict.up:
            self.sent(address, sequence, now)

    def plan(self, address: str, busy: bool, now: Now) -> None:
        """When to probe this address again; idle ones stay together in one batch a second."""
        path = self._paths[address]
        path.due = _tick(now.seconds, FAST if busy or path.doubtful() else SLOW)

    def answered(self, address: str, sequence: int, now: Now) -> None:
        """An answer arrived. What was not asked, or was answered already, says nothing."""
        path = self._paths.get(address)
        if path is None:
            return
        begin = path.sent.pop(sequence, None)
        late = path.judged.pop(sequence, None)
        asked = begin if begin is not None else late
        if asked is None:
            return
        path.travelled(now.seconds - asked)
        path.heard = now.seconds
        self._take(address, path, True, now)

    def judge(self, now: Now) -> None:
        """Count as lost what has been out for too long."""
        for address, path in self._paths.items():
            patience = path.patience()
            for sequence in [s for s, at in path.sent.items() if now.seconds - at > patience]:
                path.judged[sequence] = path.sent.pop(sequence)
                self._take(address, path, False, now)
                if path.doubtful():
                    path.due = min(path.due, _tick(now.seconds, FAST))
            for sequence in [s for s, at in path.judged.items() if now.seconds - at > KEPT]:
                del path.judged[sequence]

    def wait(self, now: Now) -> float:
        """Seconds until the next probe is due or the next one out is lost."""
        times = [path.due for path in self._paths.values()]
        times += [at + path.patience() for path in self._paths.values() for at in path.sent.values()]
        return max(0.01, min(times, default=now.seconds + SLOW) - now.seconds)

    def patience(self, address: str) -> float | None:
        """Seconds after which a probe of this way counts as lost; None unless the way is known to be up."""
        path = self._paths.get(address)
        return path.patience() if path is not None and path.verdict.up else None

    def standings(self) -> Mapping[str, Standing]:
        """What is believed of each way: the same object until one of them is another."""
        return self._standings

    def standing(self, address: str) -> Standing:
        """What is believed of the way to this address."""
        return self._standings.get(address, UNKNOWN)

    def _take(self, address: str, path: _Path, good: bool, now: Now) -> None:
        path.take(good, now)
        standing = _standing(path)
        if standing != self._standings[address]:
            self._standings = {**self._standings, address: standing}

    def trip(self, address: str, now: float) -> Trip:
        """The shortest of the last round trips, and their jitter; unknown when there was no answer of late.

        The shortest, because queues and a handshake under way make single ones longer and say nothing of distance.
        """
        path = self._paths.get(address)
        if path is None or not path.trips or now - path.heard > EXPIRES:
            return NO_TRIP
        return Trip(int(min(path.trips) * 1_000_000), int(path.jitter * 1_000_000))


def _standing(path: _Path) -> Standing:
    return Standing(path.verdict.up is not False, path.verdict.since, path.loss())


def _tick(seconds: float, pause: float) -> float:
    """The next multiple of `pause`."""
    step = round(pause * 1_000)
    return (int(seconds * 1_000 + 0.5) // step + 1) * step / 1_000
