"""A real DNS server process on loopback."""

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.netns.spaces import await_true
from tests.worlds.ports import free_port
from tests.worlds.public_cli import ISTHMUS


@contextmanager
def running(folder: Path, *options: str, alone: bool = False) -> Iterator[tuple[int, ...]]:
    """The server on two ports, the second on IPv6, and a port for metrics. `alone`: the folder is no state of it."""
    ports = free_port(), free_port(), free_port()
    listen = (
        "--listen",
        f"127.0.0.1:{ports[0]}",
        "--listen",
        f"[::1]:{ports[1]}",
        "--metrics",
        f"127.0.0.1:{ports[2]}",
    )
    log = folder / "log"
    with log.open("ab") as out:
        state = () if alone else ("--state", str(folder))
        started = subprocess.Popen([ISTHMUS, "dns", "serve", *state, *listen, *options], stderr=out)
    try:
        await_true("the server is up", lambda: "DNS server is up" in log.read_text() or started.poll() is not None)
        yield ports
        started.send_signal(signal.SIGTERM)
        assert started.wait(10) == 0
    finally:
        started.kill()
        started.wait(5)
        log.unlink()
