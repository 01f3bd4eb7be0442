"""The steering story over real parts: `isthmus lab run steering`, held as a test."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

ISTHMUS = str(Path(sys.executable).with_name("isthmus"))
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
        lab = Path(directory) / "lab"
        try:
            done = subprocess.run(
                [ISTHMUS, "lab", "run", "steering", "--dir", str(lab), "--output", "json"],
                timeout=400,
                check=False,
                capture_output=True,
                text=True,
            )
        finally:
            subprocess.run([ISTHMUS, "lab", "down", "--dir", str(lab)], timeout=60, check=False, capture_output=True)
        assert done.returncode == 0, done.stdout + done.stderr
        story = json.loads(done.stdout)
        assert [step["name"] for step in story["steps"]] == STEPS
        assert story["ok"] and all(step["ok"] for step in story["steps"])
