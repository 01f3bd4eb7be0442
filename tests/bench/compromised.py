"""A member that was taken over floods another's controller: what that does to the others' requests."""

import tempfile
from pathlib import Path

from federation.lab.look import Answer
from tests.bench.row import Row, median_row
from tests.netns.test_compromised_member import ROUND, ROUNDS, amounts, batch, taken_over
from tests.worlds.captive import percentile

SHARES = {"flood-median": 0.5, "flood-p99": 0.99}
NAMES = tuple(SHARES)
BATCHES = 5
PART = 10.0


def measure(names: tuple[str, ...]) -> list[Row]:
    """All rows by one lab."""
    with tempfile.TemporaryDirectory() as folder, taken_over(Path(folder)) as scene:
        found = [batch(scene) for _ in range(BATCHES)]
    floods = [(quiet, loud) for quiet, loud, amount in found if amounts(amount)]
    return [one(name, floods) for name in names]


def one(name: str, floods: list[tuple[list[list[Answer]], list[list[Answer]]]]) -> Row:
    """By how many per cent the percentile is longer with the flood, batch by batch."""
    share = SHARES[name]
    pairs = [(percentile(quiet, share), percentile(loud, share)) for quiet, loud in floods]
    told = ", ".join(f"{quiet:.1f} and {loud:.1f}" for quiet, loud in pairs)
    note = (
        f"us-east to us-west and back, 100 requests a second, while eu-central holds 100 half-open handshakes and sends sessions, changes "
        f"and words; {ROUNDS} rounds of {ROUND:g} s each way in a batch, in the quiet ones it works as hard and sends nothing; ms without and with: {told}"
    )
    return median_row(name, "% more", [100 * (loud / quiet - 1) for quiet, loud in pairs], BATCHES, note, PART)
