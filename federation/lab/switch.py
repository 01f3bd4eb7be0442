"""The WAN's rules, pure: which frame leaves where and when. Time comes in as an argument, chance from a
seed.
"""

import heapq
import random
from dataclasses import asdict, dataclass, field, fields, replace

ETHERNET_HEADER = 14
QUEUE_SECONDS = 0.25

Departure = tuple[float, int, int, bytes]


@dataclass(frozen=True, slots=True)
class Pair:
    """One direction between two ports.

    `rate_mbit` None is no limit; `mtu` is in bytes of IP. With `jitter_ms` each frame waits up to that much
    longer on its own, so frames may overtake; without it they never do. Nothing passes while it is
    blocked or `cut`: two settings, so that healing a cut leaves a block as it was.
    """

    delay_ms: float = 0.0
    jitter_ms: float = 0.0
    loss_percent: float = 0.0
    rate_mbit: float | None = None
    mtu: int = 65535
    block: bool = False
    cut: bool = False


FIELDS = tuple(f.name for f in fields(Pair))


@dataclass(slots=True)
class Lane:
    """A pair in force, with what it remembers and counts."""

    pair: Pair
    last: float = 0.0
    free: float = 0.0
    counts: dict[str, int] = field(default_factory=lambda: {"passed": 0, "dropped": 0})


def checked(values: dict[str, object]) -> dict[str, object]:
    """The settings, if each is one of Pair's and in range; ValueError names the first that is not."""
    for name, value in values.items():
        if name not in FIELDS:
            raise ValueError(f'unknown setting "{name}": there are {", ".join(FIELDS)}')
        if name in ("block", "cut"):
            if not isinstance(value, bool):
                raise ValueError(f"{name} must be true or false, not {value!r}")
        elif name == "rate_mbit" and value is None:
            continue
        elif isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e6:
            raise ValueError(f"{name} must be a number from 0 to 1000000, not {value!r}")
        elif name == "loss_percent" and value > 100:
            raise ValueError(f"loss_percent must be 0 to 100, not {value!r}")
    return values


class Switch:
    """A learning switch between named ports whose every directed pair has a delay, jitter, loss, rate,
    MTU and block.
    """

    def __init__(self, ports: tuple[str, ...], seed: int = 0) -> None:
        """`seed` makes loss and jitter repeatable."""
        self.ports = ports
        self._random = random.Random(seed)  # noqa: S311 - weather, not secrets
        self._lanes = [[Lane(Pair()) for _ in ports] for _ in ports]
        self._where: dict[bytes, int] = {}
        self._heap: list[Departure] = []
        self._count = 0

    def set(self, source: str, target: str, values: dict[str, object]) -> Pair:
        """Change some settings of one direction from now on; ValueError for an unknown port or setting."""
        lane = self._lane(source, target)
        lane.pair = replace(lane.pair, **checked(values))  # type: ignore[arg-type]
        return lane.pair

    def get(self) -> list[dict[str, object]]:
        """Every direction with its settings and its counts of frames."""
        return [
            {"from": a, "to": b, **asdict(self._lanes[i][j].pair), **self._lanes[i][j].counts}
            for i, a in enumerate(self.ports)
            for j, b in enumerate(self.ports)
            if i != j
        ]

    def accept(self, now: float, port: int, frame: bytes) -> None:
        """A frame came in at `port`: choose its ways out and queue it there."""
        self._where[frame[6:12]] = port
        target = None if frame[0] & 1 else self._where.get(frame[:6])
        if target is not None:
            if target != port:
                self._queue(now, port, target, frame)
            return
        for other in range(len(self.ports)):
            if other != port:
                self._queue(now, port, other, frame)

    def due(self, now: float) -> list[tuple[int, bytes]]:
        """Frames to send now, in order, each with its port."""
        out = []
        heap = self._heap
        while heap and heap[0][0] <= now:
            _, _, port, frame = heapq.heappop(heap)
            out.append((port, frame))
        return out

    def next_time(self) -> float | None:
        """When the next frame is due; None when none waits."""
        return self._heap[0][0] if self._heap else None

    def _lane(self, source: str, target: str) -> Lane:
        for name in (source, target):
            if name not in self.ports:
                raise ValueError(f'no port "{name}": there are {", ".join(self.ports)}')
        if source == target:
            raise ValueError(f'"{source}" to itself does not pass the WAN')
        return self._lanes[self.ports.index(source)][self.ports.index(target)]

    def _queue(self, now: float, port: int, target: int, frame: bytes) -> None:
        lane = self._lanes[port][target]
        pair = lane.pair
        if self._lost(pair, len(frame)) or (pair.rate_mbit is not None and not self._room(lane, now, len(frame))):
            lane.counts["dropped"] += 1
            return
        at = (now if pair.rate_mbit is None else lane.free) + pair.delay_ms / 1000
        if pair.jitter_ms:
            at += self._random.random() * pair.jitter_ms / 1000
        else:
            at = max(at, lane.last)
        lane.last = max(lane.last, at)
        lane.counts["passed"] += 1
        self._count += 1
        heapq.heappush(self._heap, (at, self._count, target, frame))

    def _lost(self, pair: Pair, length: int) -> bool:
        if pair.block or pair.cut or length - ETHERNET_HEADER > pair.mtu:
            return True
        return pair.loss_percent > 0 and self._random.random() * 100 < pair.loss_percent

    def _room(self, lane: Lane, now: float, length: int) -> bool:
        """Reserve the wire for one frame; False when more than QUEUE_SECONDS of frames wait already."""
        assert lane.pair.rate_mbit is not None
        start = max(now, lane.free)
        if start - now > QUEUE_SECONDS or lane.pair.rate_mbit == 0:
            return False
        lane.free = start + length * 8 / (lane.pair.rate_mbit * 1e6)
        return True
