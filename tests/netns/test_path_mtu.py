"""Holes in the MTU of the underlay appear while requests of 1 MiB pass both ways: none fails."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.netns.gateways_world import GatewaysWorld
from tests.netns.narrow import FITS, hole, measures, mtu, transferring, wide
from tests.netns.spaces import await_true

pytestmark = pytest.mark.netns


@pytest.fixture
def world() -> Iterator[GatewaysWorld]:
    with wide() as made:
        yield made


def test_holes_at_1400_and_1360_appear_and_transfers_of_1_mib_go_on(world: GatewaysWorld) -> None:
    with transferring(world) as clients:
        clients.more(3)
        for size, fits in FITS.items():
            for space in (world.east, world.west):
                hole(space, size)
            clients.more(5)
            await_true(f"both ends know of {size}", lambda fits=fits: measures(world, fits), 30)  # type: ignore[misc]
            clients.more(5)
    assert "packets of 1296 bytes get there whole of 1420" in world.east.run(
        str(Path(sys.executable).with_name("isthmus")), "gateway", "verify", "--state", str(world.root / "eg")
    )
    prefix = world.east.run("ip", "-6", "route", "show", "proto", "157")
    assert " mtu 1296 " in prefix


def test_a_hole_in_one_direction_is_seen_by_its_sender(world: GatewaysWorld) -> None:
    with transferring(world) as clients:
        clients.more(2)
        hole(world.west, 1400)
        clients.more(5)
        await_true("the east sends less", lambda: mtu(world, "eg", "eu-central") == FITS[1400], 30)
        clients.more(5)
