"""The drain story over real parts: `isthmus lab run drain`, held as a test."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

ISTHMUS = str(Path(sys.executable).with_name("isthmus"))
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
        lab = Path(directory) / "lab"
        try:
            done = subprocess.run(
                [ISTHMUS, "lab", "run", "drain", "--dir", str(lab), "--output", "json"],
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
