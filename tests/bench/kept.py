"""What is kept on disk of a handout of 100,000 public names: one change beside the whole, and what reading it takes."""

import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from msgspec import structs

from federation.lkg.ring import LOG, YOUNGEST, Ring, newest
from federation.model.handout import Steered
from federation.session.tree import tree_of
from federation.wire.keyed import encode
from tests.bench import dns_table
from tests.bench.row import Row, median_row, rounded
from tests.worlds.public_names import ZONE

NAMES = ("kept-one", "kept-read")
RUNS, WHOLE, TOPIC = 50, 5, "handout"


def measure(names: tuple[str, ...]) -> list[Row]:
    """On this machine's disk; each write is synced. The first writes, by which the ring gets its ages, do not count."""
    values, now = dns_table.world(dns_table.COUNT), int(time.time())
    key = next(key for key in values if key.startswith(f"steered/n7.{ZONE}/"))
    item = values[key]
    assert isinstance(item, Steered)
    tree = tree_of({one: encode(value) for one, value in values.items()})
    trees = [
        tree.put(key, encode(structs.replace(item, name=structs.replace(item.name, ttl=30 + run))))
        for run in range(RUNS)
    ]
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        whole = [_took(lambda: Ring(home, TOPIC).keep(b"", tree, now)) for _ in range(3 + WHOLE)][3:]
        ring = Ring(home, TOPIC)
        ring.keep(b"", tree, now)
        one = [_took(partial(ring.keep, b"", tree, now)) for tree in trees]
        size, log = ((home / f"{TOPIC}{suffix}").stat().st_size for suffix in (YOUNGEST, LOG))
        read = [_took(lambda: newest(home, TOPIC)) for _ in range(WHOLE)]
    said = f"one of 100,000 names: {log // RUNS} bytes; the whole is {size / 1e6:.0f} MB"
    row = median_row("kept-one", "ms", one, RUNS, said)
    beside = rounded(statistics.median(whole))
    rows = {
        "kept-one": Row(row.row, row.value, "ms", row.runs, row.note, rival="the whole", rival_value=beside),
        "kept-read": median_row("kept-read", "ms", read, WHOLE, f"the whole and {RUNS} changes"),
    }
    return [rows[name] for name in names]


def _took(what: Callable[[], object]) -> float:
    """Milliseconds."""
    begun = time.perf_counter()
    what()
    return 1_000 * (time.perf_counter() - begun)
