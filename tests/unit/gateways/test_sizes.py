"""The size of packets that pass, in virtual time, over ways with holes, loss and distance."""

import random

import pytest

from gateways.probe.sizes import BUSY, IDLE, LEAST, MOST, RAISE, SIZES, TWICE, Need, Sizes

PATIENCE = 0.5
FAR, NEAR = "fd49:7374:0:2::1", "fd49:7374:0:3::1"


class Net:
    """Ways that answer a probe after `trip` seconds where it fits, in steps of 10 ms."""

    def __init__(self, busy: bool = True, trip: float = 0.06) -> None:
        self.now, self.busy, self.trip = 100.0, busy, trip
        self.sizes = Sizes()
        self.fits = {FAR: MOST, NEAR: MOST}
        self.up = {FAR: True, NEAR: True}
        self.loss, self.chance = 0.0, random.Random(7)
        self.sent: list[tuple[float, str, int]] = []
        self._coming: list[tuple[float, str, int]] = []

    def run(self, seconds: float) -> None:
        until = self.now + seconds
        while self.now < until:
            ways = {address: Need(PATIENCE, self.busy) if up else None for address, up in self.up.items()}
            for due, address, sequence in [one for one in self._coming if one[0] <= self.now]:
                self._coming.remove((due, address, sequence))
                self.sizes.answered(address, sequence)
            for probe in self.sizes.step(ways, self.now):
                self.sent.append((self.now, probe.address, probe.size))
                if probe.size <= self.fits[probe.address] and self.chance.random() >= self.loss:
                    self._coming.append((self.now + self.trip, probe.address, probe.sequence))
            assert self.sizes.wait(ways, self.now) > 0
            self.now += 0.01

    def until(self, address: str, size: int) -> float:
        """Seconds until this is what is known."""
        began = self.now
        while self.sizes.mtus.get(address) != size:
            assert self.now - began < 120
            self.run(0.01)
        return self.now - began


def test_the_first_sweep_finds_what_passes_in_the_time_of_one_probe() -> None:
    net = Net()
    net.fits[FAR] = 1345
    assert net.until(FAR, 1344) <= PATIENCE + 0.05
    assert net.until(NEAR, MOST) <= PATIENCE


@pytest.mark.parametrize(("hole", "size"), [(1344, 1344), (1300, 1296), (1295, 1280), (1419, 1408)])
def test_a_hole_that_appears_is_seen_in_two_seconds(hole: int, size: int) -> None:
    net = Net()
    net.until(FAR, MOST)
    net.run(10.3)
    net.fits[FAR] = hole
    assert net.until(FAR, size) <= BUSY + 2 * PATIENCE + 0.05
    assert net.sizes.mtus[NEAR] == MOST


def test_a_hole_that_is_mended_is_seen_in_a_minute() -> None:
    net = Net()
    net.fits[FAR] = 1300
    net.until(FAR, 1296)
    net.fits[FAR] = MOST
    assert net.until(FAR, MOST) <= RAISE + BUSY + PATIENCE + 0.1


def test_loss_of_a_twentieth_changes_nothing_that_stays() -> None:
    net = Net(trip=0.03)
    net.loss = 0.05
    seen = set()
    for _ in range(600):
        net.run(1)
        seen.add(net.sizes.mtus.get(FAR))
    assert seen <= {None, MOST, SIZES[-2]} and net.sizes.mtus[NEAR] == MOST


def test_where_not_even_the_least_passes_that_is_known_and_tried_again() -> None:
    net = Net()
    net.fits[FAR] = LEAST - 1
    net.until(FAR, 0)
    net.run(20)
    assert net.sizes.mtus[FAR] == 0
    net.fits[FAR] = 1400
    assert net.until(FAR, 1392) <= IDLE + PATIENCE + 0.1


def test_a_way_that_is_down_keeps_its_size_and_is_swept_when_it_is_back() -> None:
    net = Net()
    net.fits[FAR] = 1300
    net.until(FAR, 1296)
    net.up[FAR] = False
    net.run(30)
    sent = [one for one in net.sent if one[1] == FAR]
    assert net.sizes.mtus[FAR] == 1296
    net.fits[FAR], net.up[FAR] = 1400, True
    assert net.until(FAR, 1392) <= PATIENCE + 0.1
    assert len([one for one in net.sent if one[1] == FAR]) - len(sent) == len(SIZES) * TWICE


def test_a_peer_that_goes_is_forgotten() -> None:
    net = Net()
    net.run(2)
    del net.up[FAR]
    net.run(1)
    assert net.sizes.mtus == {NEAR: MOST}


def test_an_idle_way_costs_one_packet_every_five_seconds() -> None:
    net = Net(busy=False)
    net.run(2)
    before = len(net.sent)
    net.run(100)
    assert len(net.sent) - before <= 2 * 100 / IDLE + 2


def test_the_mapping_is_the_same_object_until_something_changes() -> None:
    net = Net()
    net.run(2)
    held = net.sizes.mtus
    net.run(30)
    assert net.sizes.mtus is held


def test_an_answer_to_nothing_says_nothing() -> None:
    sizes = Sizes()
    sizes.answered(FAR, 7)
    assert sizes.mtus == {}
