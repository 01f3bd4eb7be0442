"""The drain story over real parts: `isthmus lab run drain`, held as a test."""

import tempfile
from pathlib import Path

import pytest

from tests.worlds.stories import check_story

STEPS = [
    "lab",
    "1 dry run",
    "2 in steps",
    "2 every peer",
    "2 DNS",
    "2 gone",
    "3 undrain",
    "4 ledger",
    "5 node agent",
    "5 no failure",
    "5 DNS server",
    "5 said",
    "down",
]

pytestmark = pytest.mark.netns


def test_a_region_is_drained_in_steps_and_by_agents_when_every_controller_is_dead() -> None:
    with tempfile.TemporaryDirectory(prefix="ist") as directory:
        check_story("drain", Path(directory) / "lab", STEPS)
