"""The story of a member with two gateways over real parts: `isthmus lab run gateways`, held as a test."""

import tempfile
from pathlib import Path

import pytest

from tests.worlds.stories import check_story

STEPS = ["lab", "1 both carry", "2 lost", "3 another key", "4 by address", "5 by namespace", "6 no controller", "down"]

pytestmark = pytest.mark.netns


def test_the_gateways_of_a_member_stand_in_for_each_other() -> None:
    with tempfile.TemporaryDirectory(prefix="ist") as directory:
        check_story("gateways", Path(directory) / "lab", STEPS)
