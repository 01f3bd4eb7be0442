"""The steering story over real parts: `isthmus lab run steering`, held as a test."""

import tempfile
from pathlib import Path

import pytest

from tests.worlds.stories import check_story

STEPS = [
    "lab",
    "1 home",
    "2 next",
    "2 surge",
    "2 third",
    "2 map",
    "2 home again",
    "2 no failure",
    "3 prices",
    "4 residency",
    "5 canary",
    "down",
]

pytestmark = pytest.mark.netns


def test_load_fills_home_goes_on_by_grants_and_comes_back() -> None:
    with tempfile.TemporaryDirectory(prefix="ist") as directory:
        check_story("steering", Path(directory) / "lab", STEPS)
