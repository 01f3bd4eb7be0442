"""How large a packet passes each way to a peer's gateway: packetization layer path MTU discovery (RFC 8899). Pure: time
comes from the caller.

Small echoes pass a hole in the path's MTU, and who drops large packets often says nothing. So the size in force is
probed as well; when an answer is missing, every size is tried at once.
"""

from collections.abc import Iterable, Mapping
from itertools import count

from msgspec import Struct

LEAST, MOST = 1280, 1420
"""Bytes of a packet in the tunnel: what IPv6 needs (RFC 8200 section 5), and what our devices carry."""

SIZES = (*range(LEAST, MOST, 16), MOST)
"""What is tried. WireGuard pads what it carries to multiples of 16 bytes, up to the device's MTU (whitepaper 5.4.6)."""

BUSY, IDLE = 1.0, 5.0
"""Seconds between two probes of the size in force, where requests go and elsewhere."""

TWICE = 2
"""Each size is sent so often in a sweep, which follows a lost probe: three without an answer say that a size does not
pass (RFC 8899 section 5.1.2, MAX_PROBES).
"""

RAISE = 60.0
"""Seconds after which larger sizes are tried again (RFC 8899 section 5.1.1, PMTU_RAISE_TIMER, there 600)."""


class Need(Struct, frozen=True):
    """A way that is up: seconds after which a probe counts as lost, and whether requests go there."""

    patience: float
    busy: bool = False


class Probe(Struct, frozen=True):
    """An echo request of so many bytes, IPv6 header included, to be sent."""

    address: str
    sequence: int
    size: int


class _Way(Struct):
    due: float
    raised: float
    size: int = 0
    sweeping: bool = True
    passed: int = 0
    out: dict[int, tuple[int, float]] = {}


class Sizes:
    """Every way, by the overlay address at its end.

    `mtus` has the largest size that passes, 0 where none does; a way that was never measured is not in it. It is the
    same object until one is another.
    """

    def __init__(self) -> None:
        self._ways: dict[str, _Way] = {}
        self._sequences = count(1)
        self.mtus: Mapping[str, int] = {}

    def step(self, ways: Mapping[str, Need | None], now: float) -> list[Probe]:
        """What to send now. `ways` has None for those that are not up: they keep what they had and are swept when they
        are back. Others are forgotten.
        """
        for address in self._ways.keys() - ways.keys():
            del self._ways[address]
            self._tell(address, None)
        probes: list[Probe] = []
        for address, need in ways.items():
            if need is None:
                if address in self._ways:
                    self._ways[address] = _Way(now, now, self._ways[address].size)
                continue
            way = self._ways.setdefault(address, _Way(now, now))
            self._judge(address, way, need, now)
            if way.due <= now:
                probes += self._probes(address, way, need, now)
        return probes

    def answered(self, address: str, sequence: int) -> None:
        """An answer came; what was not asked says nothing."""
        way = self._ways.get(address)
        if way is None or sequence not in way.out:
            return
        size, _ = way.out.pop(sequence)
        way.passed = max(way.passed, size)

    def wait(self, ways: Mapping[str, Need | None], now: float) -> float:
        """Seconds until something is due."""
        times = [way.due for address, way in self._ways.items() if ways.get(address)]
        for address, way in self._ways.items():
            if need := ways.get(address):
                times += [at + need.patience for _, at in way.out.values()]
        return max(0.01, min(times, default=now + IDLE) - now)

    def _probes(self, address: str, way: _Way, need: Need, now: float) -> Iterable[Probe]:
        if not way.sweeping and way.size < MOST and now - way.raised >= RAISE:
            way.sweeping = True
        sizes = SIZES * TWICE if way.sweeping else (way.size,)
        way.due = float("inf") if way.sweeping else now + (BUSY if need.busy else IDLE)
        way.passed = 0
        for size in sizes:
            sequence = next(self._sequences) & 0xFFFF
            way.out[sequence] = (size, now)
            yield Probe(address, sequence, size)

    def _judge(self, address: str, way: _Way, need: Need, now: float) -> None:
        """Count as lost what has been out for too long; end a sweep when nothing is out any more."""
        late = [sequence for sequence, (_, at) in way.out.items() if now - at >= need.patience]
        for sequence in late:
            del way.out[sequence]
        if way.sweeping:
            if not way.out and way.due == float("inf"):
                self._end_sweep(address, way, now)
        elif late:
            way.sweeping, way.due = True, now

    def _end_sweep(self, address: str, way: _Way, now: float) -> None:
        way.size, way.raised = way.passed or LEAST, now
        way.sweeping, way.due = not way.passed, now + IDLE
        self._tell(address, way.passed)

    def _tell(self, address: str, size: int | None) -> None:
        if self.mtus.get(address) == size:
            return
        self.mtus = {other: held for other, held in self.mtus.items() if other != address}
        if size is not None:
            self.mtus = {**self.mtus, address: size}
