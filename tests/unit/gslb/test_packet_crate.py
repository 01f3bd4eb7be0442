"""The tests that stand in the crate of `dns/packet`, where cargo is at hand."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
CRATE = ROOT / "dns/packet"
SURROUNDINGS = {**os.environ, "CARGO_TARGET_DIR": str(ROOT / "build/packet")}


def cargo(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["cargo", *words], cwd=CRATE, env=SURROUNDINGS, capture_output=True, text=True, timeout=300)


@pytest.mark.skipif(shutil.which("cargo") is None, reason="there is no cargo")
def test_the_crate() -> None:
    if cargo("fetch", "-q").returncode:
        pytest.skip("cargo cannot reach its registry")
    done = cargo("test", "-q", "--offline", "--no-default-features")
    assert done.returncode == 0, done.stdout + done.stderr
