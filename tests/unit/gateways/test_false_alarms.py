"""No way that loses five per cent each way is called down: half an hour, over and over, in virtual time."""

import heapq
import random

import pytest

from gateways.probe.paths import Now, Paths

WAYS, SECONDS = 10, 1_800.0
LOSS = 0.05


def at(seconds: float) -> Now:
    return Now(seconds, round(seconds * 1_000))


class Lossy:
    """Ways that lose what is sent and what is answered, each on its own; `down` counts those that were called down."""

    def __init__(self, busy: bool, rtt: float) -> None:
        self.chance = random.Random(f"{busy} {rtt}")
        self.wanted = {f"fd00::{number:x}": busy for number in range(WAYS)}
        self.rtt = rtt
        self.paths = Paths()
        self.flying: list[tuple[float, str, int]] = []
        self.down = 0

    def run(self) -> None:
        time, before = 0.0, self.paths.standings()
        while time < SECONDS:
            self._receive(time)
            now = at(time)
            self.paths.judge(now)
            self._send(now)
            after = self.paths.standings()
            self.down += sum(before[a].up and not one.up for a, one in after.items() if one is not before.get(a, one))
            before = after
            time += self.paths.wait(now)

    def _receive(self, until: float) -> None:
        while self.flying and self.flying[0][0] <= until:
            moment, address, sequence = heapq.heappop(self.flying)
            self.paths.answered(address, sequence, at(moment))

    def _send(self, now: Now) -> None:
        sequence, due = self.paths.begin(self.wanted, now)
        for address in due:
            self.paths.sent(address, sequence, now)
            self.paths.plan(address, self.wanted[address], now)
            if self.chance.random() < (1 - LOSS) ** 2:
                heapq.heappush(self.flying, (now.seconds + self.rtt * self.chance.uniform(1, 1.3), address, sequence))


@pytest.mark.parametrize("rtt", [0.03, 0.15])
@pytest.mark.parametrize("busy", [True, False])
def test_five_per_cent_of_loss_takes_no_way_down(busy: bool, rtt: float) -> None:
    """Four late in a row without extra probes were some seven false alarms here on ways in use."""
    ways = Lossy(busy, rtt)
    ways.run()
    assert ways.down == 0
