"""A story of the lab over real parts, as `isthmus lab run NAME` plays it."""

import json
import subprocess
import sys
from pathlib import Path

ISTHMUS = str(Path(sys.executable).with_name("isthmus"))


def check_story(name: str, lab: Path, steps: list[str], *options: str) -> None:
    """Play it in a lab in this folder, which is down afterwards: these are its steps, and each of them is good."""
    try:
        done = subprocess.run(
            [ISTHMUS, "lab", "run", name, "--dir", str(lab), *options, "--output", "json"],
            timeout=400,
            check=False,
            capture_output=True,
            text=True,
        )
    finally:
        subprocess.run([ISTHMUS, "lab", "down", "--dir", str(lab)], timeout=60, check=False, capture_output=True)
    assert done.stdout, done.stderr
    story = json.loads(done.stdout)
    bad = [step for step in story["steps"] if not step["ok"]]
    assert not bad, json.dumps(bad, indent=1)
    assert done.returncode == 0 and story["ok"], done.stderr
    assert [step["name"] for step in story["steps"]] == steps
