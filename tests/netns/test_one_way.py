"""What one end sends gets lost, what the other sends arrives: both ends know, and know when it is over."""

import time

import pytest

from tests.netns.gateways_world import GatewaysWorld
from tests.netns.narrow import hole, of_link, wide
from tests.netns.spaces import await_true

pytestmark = pytest.mark.netns

SEEN_SECONDS = 6.0
"""For a busy machine; what it takes is a row of the bench (`one-way-seen`)."""


def up(world: GatewaysWorld) -> tuple[float, float]:
    return of_link(world, "eg", "eu-central", "up"), of_link(world, "wg", "us-east", "up")


def test_both_ends_see_a_black_hole_of_one_direction() -> None:
    with wide() as world:
        assert up(world) == (1, 1)
        assert 0 < of_link(world, "eg", "eu-central", "rtt_seconds") < 1
        for space in (world.west, world.east):
            hole(space, 0)
            began = time.monotonic()
            await_true("both ends see it", lambda: up(world) == (0, 0))
            assert time.monotonic() - began < SEEN_SECONDS
            space.run("nft", "delete", "table", "inet", "hole")
            await_true("both ends see that it is over", lambda: up(world) == (1, 1))
