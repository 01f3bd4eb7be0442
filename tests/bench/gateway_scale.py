"""One gateway among 100 members: what one change costs its agent, and its Envoy, with more and more offers beside it.

Half of the offers are HTTP, half plain TCP. The agent's kernel and controller are twins in memory, and no Envoy is connected;
Envoy is a real one that our xDS server feeds with the same content. A process of its own for each size of each.
"""

import subprocess
import sys
from functools import cache
from pathlib import Path
from statistics import median

import msgspec
from msgspec import Struct

from tests.bench.row import Row, median_row

COUNTS = (10, 100, 1_000)
AGENT = tuple(f"agent-gateway-change-{count}" for count in COUNTS)
ENVOY = tuple(f"envoy-gateway-change-{count}" for count in COUNTS)
NAMES = (*AGENT, *ENVOY)
TARGET = 5.0
SECONDS = 300
"""For one child."""


class Passes(Struct, frozen=True):
    """Of one kind of change: milliseconds until it was offered, and of the processor until the pass had ended."""

    offered: list[float]
    cpu: list[float]


class Taken(Struct, frozen=True):
    """Of one kind of change: bytes of the resources that changed, milliseconds of Envoy's processor."""

    sent: list[int]
    cpu: list[float]


class Envoy(Struct, frozen=True):
    """What the child found: seconds of Envoy's processor until it held everything, megabytes, and each kind of change."""

    cold: float
    resident: float
    changes: dict[str, Taken]


def measure(names: tuple[str, ...]) -> list[Row]:
    """One child a row."""
    return [agent_row(name) if name in AGENT else envoy_row(name) for name in names]


def agent_row(name: str) -> Row:
    """From the handout's change until the bytes are offered, for an offer that comes or goes; other changes in the note."""
    offers = name.rpartition("-")[2]
    found = msgspec.json.decode(child("gateway_scale_child.py", offers), type=dict[str, Passes])
    each = ", ".join(f"{kind} {median(one.offered):.2f} ({median(one.cpu):.2f})" for kind, one in found.items())
    note = f"{offers} offers; ms, and of the processor for the whole pass, after a changed {each}"
    samples = found["offer"].offered
    return median_row(name, "ms", samples, len(samples), note, TARGET)


def envoy_row(name: str) -> Row:
    """Milliseconds of Envoy's processor for one offer that comes or goes."""
    offers = name.rpartition("-")[2]
    found = msgspec.json.decode(child("gateway_envoy_child.py", offers), type=Envoy)
    each = ", ".join(f"{kind} {median(one.cpu):.1f} ms {median(one.sent):.0f} B" for kind, one in found.changes.items())
    note = f"{offers} offers: {each}; from nothing {found.cold:.2f} s, {found.resident:.0f} MB"
    return median_row(name, "ms", found.changes["offer"].cpu, len(found.changes["offer"].cpu), note)


@cache
def child(script: str, offers: str) -> bytes:
    """What a new process prints."""
    path = Path(__file__).with_name(script)
    return subprocess.run([sys.executable, str(path), offers], capture_output=True, check=True, timeout=SECONDS).stdout
