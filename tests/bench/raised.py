"""A lab of a row's own, raised and taken down by the public commands."""

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from federation.lab.interrupt import interruptible
from federation.lab.process import isthmus
from federation.lab.state import Lab, load

SECONDS = 120


def command(*arguments: str) -> str:
    """The output of one `isthmus` command; RuntimeError with its words when it fails."""
    done = subprocess.run(isthmus(*arguments), capture_output=True, text=True, timeout=SECONDS)
    if done.returncode != 0:
        raise RuntimeError(f"isthmus {' '.join(arguments)}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


@contextmanager
def raised(rtt_ms: float | None = None, *options: str) -> Iterator[Lab]:
    """A lab in a new folder, down again after the block whatever happened in it."""
    with tempfile.TemporaryDirectory(prefix="isthmus-bench-") as parent, interruptible():
        folder = Path(parent) / "lab"
        rtt = () if rtt_ms is None else ("--rtt", f"{rtt_ms:g}")
        try:
            command("lab", "up", "--dir", str(folder), *rtt, *options)
            yield load(folder)
        finally:
            command("lab", "down", "--dir", str(folder))
