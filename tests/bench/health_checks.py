"""What very many health probes cost the program that makes them, in a namespace of their own."""

import os
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.bench.health_checks_child import HOST, INTERVAL_MS, RUNS
from tests.bench.row import Row, rounded, void
from tests.netns.spaces import Space
from tests.worlds.local_ca import LocalCa

COUNTS = {"checks-tcp-50000": 50_000, "checks-http-30000": 30_000, "checks-https-10000": 10_000}
NAMES = tuple(COUNTS)
TARGET = 100.0
CHILD = Path(__file__).with_name("health_checks_child.py")
ENOUGH = 0.99
"""A window with fewer of the probes that were due measured a prober that fell behind."""


def measure(names: tuple[str, ...]) -> list[Row]:
    """One run a row."""
    return [row(name, COUNTS[name]) for name in names]


def row(name: str, count: int) -> Row:
    """The median of the windows; void when the prober fell behind or found somebody down."""
    kind = name.split("-")[1]
    with TemporaryDirectory() as folder, answering(Path(folder), kind == "https") as space:
        line, env = inside(space, "probe", kind, str(count)), {**os.environ, "SSL_CERT_FILE": f"{folder}/ca.pem"}
        said = subprocess.run(line, stdout=subprocess.PIPE, text=True, timeout=120, check=True, env=env).stdout
    found = [float(word) for word in said.split()]
    cpu, checks, (memory, down, waiting) = found[:RUNS], found[RUNS : 2 * RUNS], found[2 * RUNS :]
    if down or min(checks) < ENOUGH * count / (INTERVAL_MS / 1_000):
        return void(name, "% core", f"{down:g} targets down, {min(checks):g} probes a second", TARGET)
    spread = (
        f"min {rounded(min(cpu)):g}, max {rounded(max(cpu)):g}, {rounded(statistics.median(checks)):g} probes a second"
    )
    rest = f"{rounded(memory):g} MB per 10,000 targets, {waiting:g} connections in TIME_WAIT"
    note = f"{spread}; {rest}; the kernel's work for both ends of loopback included; who answers is on another core"
    if kind == "https":
        note += "; each with a whole handshake (TLS 1.3, no session is kept), the certificate and its name verified"
    return Row(name, rounded(statistics.median(cpu)), "% core", RUNS, note, TARGET)


@contextmanager
def answering(folder: Path, secured: bool) -> Iterator[Space]:
    """A namespace in which somebody answers on every address of 127.0.0.0/8; `folder` gets `ca.pem` with its authority."""
    certificate = map(str, LocalCa(folder).leaf(HOST)) if secured else ()
    space = Space("bench")
    server = subprocess.Popen(inside(space, "answer", *certificate), stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None and server.stdout.readline() == "up\n"
        yield space
    finally:
        server.kill()
        server.communicate(timeout=10)
        space.remove()


def inside(space: Space, *arguments: str) -> list[str]:
    """The child with these arguments, in the namespace."""
    return ["ip", "netns", "exec", space.name, sys.executable, str(CHILD), *arguments]
