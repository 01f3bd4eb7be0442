"""The story of split brains over real parts: `isthmus lab run splits`, held as a test."""

import tempfile
from pathlib import Path

import pytest

from tests.worlds.stories import check_story

STEPS = ["lab", "1 apart", "1 together", "1 live names", "2 alone", "2 stays", "2 together", "2 live names", "3 sick",
         "3 sick and alone", "3 well", "3 live names", "4 controllers", "4 live names", "5 tree", "5 second level",
         "5 first level", "5 no tree", "5 live names", "down"]  # fmt: skip

pytestmark = pytest.mark.netns


def test_regions_lose_sight_of_each_other_and_no_name_is_answered_empty() -> None:
    with tempfile.TemporaryDirectory(prefix="ist") as directory:
        check_story("splits", Path(directory) / "lab", STEPS)
