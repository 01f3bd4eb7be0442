"""One measured row, the rule for a run that says nothing, and the table."""

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

GOOD_SHARE = 0.9
"""A run with a smaller share of good samples is void: its number would be that of the luckier requests."""


@dataclass(frozen=True, slots=True)
class Row:
    """`value` is None for a void run; `ok` is None where there is no target or no value. Targets are upper bounds."""

    row: str
    value: float | None
    unit: str
    runs: int
    note: str
    target: float | None = None
    rival: str | None = None
    rival_value: float | None = None

    @property
    def ok(self) -> bool | None:
        """True when the value is below the target."""
        return None if self.value is None or self.target is None else self.value < self.target

    def as_json(self) -> dict[str, object]:
        """The row as build/bench.json holds it."""
        return {
            "row": self.row,
            "value": self.value,
            "unit": self.unit,
            "target": self.target,
            "ok": self.ok,
            "rival": self.rival,
            "rival_value": self.rival_value,
            "runs": self.runs,
            "note": self.note,
        }


def median_row(
    row: str, unit: str, samples: Sequence[float], wanted: int, note: str, target: float | None = None
) -> Row:
    """The median with p90 and maximum in the note; void when fewer than GOOD_SHARE of the wanted samples are good."""
    if len(samples) < GOOD_SHARE * wanted:
        return void(row, unit, f"{len(samples)} of {wanted} samples were good", target)
    spread = (
        f"p90 {rounded(quantile(samples, 0.9)):g}, max {rounded(max(samples)):g}, good {len(samples)} of {wanted}; "
    )
    return Row(row, rounded(statistics.median(samples)), unit, len(samples), spread + note, target)


def void(row: str, unit: str, why: str, target: float | None = None) -> Row:
    """A row without a number."""
    return Row(row, None, unit, 0, f"void: {why}", target)


def quantile(samples: Iterable[float], share: float) -> float:
    """The smallest sample that is not below this share of them (nearest rank)."""
    ordered = sorted(samples)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def rounded(value: float) -> float:
    """Three significant digits at least, never a tail of noise."""
    return round(value, 3 if abs(value) < 10 else 1)


def table(rows: Sequence[Row]) -> str:
    """The rows for people, notes below."""
    cells = [("row", "value", "target", "rival", "runs", "verdict"), *(_cells(row) for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(cells[0]))]
    lines = ["  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip() for line in cells]
    return "\n".join([*lines, "", *(f"{row.row}: {row.note}" for row in rows)])


def _cells(row: Row) -> tuple[str, ...]:
    return (
        row.row,
        "void" if row.value is None else f"{row.value:g} {row.unit}",
        "" if row.target is None else f"< {row.target:g} {row.unit}",
        "" if row.rival is None else f"{row.rival}: {row.rival_value:g} {row.unit}",
        str(row.runs),
        {True: "met", False: "MISSED", None: "void" if row.value is None else ""}[row.ok],
    )
