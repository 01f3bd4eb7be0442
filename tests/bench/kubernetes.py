"""The Kubernetes client: a large cluster listed into the world, and how often the API server is asked at rest."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.bench.row import Row, median_row, rounded, void

LIST, MEMORY, REST = "kubernetes-list", "kubernetes-list-memory", "kubernetes-rest"
NAMES = (LIST, MEMORY, REST)
HERE = Path(__file__).parent
SLICES, ENDPOINTS, RUNS = 10_000, 10, 5
WAIT = 120.0
REST_SECONDS, REST_SCALE = 30.0, 120.0
TARGETS = {LIST: 2.0, MEMORY: 150.0, REST: 2.0}


def measure(names: tuple[str, ...]) -> list[Row]:
    """List a large cluster by WatchList, several times, each in a new process; then follow a small one at rest."""
    rows = []
    if LIST in names or MEMORY in names:
        with serving(SLICES, "streams", 60.0) as url:
            runs = [child(url, "list") for _ in range(RUNS)]
        rows += listed(names, [run for run in runs if run["endpoints"] == SLICES * ENDPOINTS])
    if REST in names:
        with serving(10, "streams", 60.0 / REST_SCALE) as url:
            rows.append(rested(child(url, "rest", str(REST_SECONDS), str(REST_SCALE))))
    return rows


def listed(names: tuple[str, ...], good: list[dict[str, float]]) -> list[Row]:
    """Rows of the runs that saw every endpoint."""
    note = (
        f"{SLICES} EndpointSlices, {SLICES * ENDPOINTS} endpoints, WatchList over plain HTTP, server in its own process"
    )
    seconds = median_row(LIST, "s", [run["seconds"] for run in good], RUNS, note, TARGETS[LIST])
    if not good:
        memory = void(MEMORY, "MB", "no run saw every endpoint", TARGETS[MEMORY])
    else:
        most = max(run["mb"] for run in good)
        memory = Row(MEMORY, rounded(most), "MB", len(good), f"peak above the idle process; {note}", TARGETS[MEMORY])
    return [row for row in (seconds, memory) if row.row in names]


def rested(run: dict[str, float]) -> Row:
    """Requests per minute of one controller, Leases not among them."""
    minutes = REST_SECONDS * REST_SCALE / 60
    note = (
        f"{minutes:g} min of rest in which all periods are {REST_SCALE:g} times shorter; a bookmark a minute for two "
        "kinds and none for the others, as real API servers do; two controllers shall stay under 4, Leases not counted"
    )
    return Row(REST, rounded(run["requests"] / minutes), "requests/min", 1, note, TARGETS[REST])


@contextmanager
def serving(slices: int, how: str, bookmarks: float) -> Iterator[str]:
    """The synthetic API server; its address."""
    argv = [sys.executable, str(HERE / "kubernetes_server.py"), str(slices), str(ENDPOINTS), how, str(bookmarks)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        try:
            assert server.stdout is not None
            yield f"http://127.0.0.1:{server.stdout.readline().strip()}"
        finally:
            server.terminate()


def child(url: str, *what: str) -> dict[str, float]:
    """What the client's process found."""
    argv = [sys.executable, str(HERE / "kubernetes_child.py"), url, *what]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=WAIT, check=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found
