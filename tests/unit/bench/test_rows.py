"""The rules of a benchmark's rows; never their numbers."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.bench.row import Row, median_row, quantile, table, void

ROOT = Path(__file__).parents[3]
KEYS = {"row", "value", "unit", "target", "ok", "rival", "rival_value", "runs", "note"}


def test_a_run_with_too_few_good_samples_is_void_and_has_no_number() -> None:
    row = median_row("speed", "ms", [1.0] * 44, 50, "note", 5.0)
    assert (row.value, row.ok, row.note) == (None, None, "void: 44 of 50 samples were good")


def test_a_row_is_the_median_with_p90_and_maximum_told() -> None:
    row = median_row("speed", "ms", [float(n) for n in range(1, 51)], 50, "note", 30.0)
    assert (row.value, row.ok, row.runs) == (25.5, True, 50)
    assert row.note == "p90 45, max 50, good 50 of 50; note"


@pytest.mark.parametrize(("share", "value"), [(0.0, 1.0), (0.5, 2.0), (0.9, 4.0), (1.0, 4.0)])
def test_a_quantile_is_a_sample(share: float, value: float) -> None:
    assert quantile([4.0, 1.0, 3.0, 2.0], share) == value


def test_the_table_says_what_was_met_missed_and_void() -> None:
    rows = [
        Row("a", 1.0, "s", 15, "one", 2.0, "other", 3.0),
        Row("b", 3.0, "s", 15, "two", 2.0),
        void("c", "s", "broke"),
        Row("d", 3.0, "s", 15, "three"),
    ]
    assert table(rows).splitlines() == [
        "row  value  target  rival       runs  verdict",
        "a    1 s    < 2 s   other: 3 s  15    met",
        "b    3 s    < 2 s               15    MISSED",
        "c    void                       0     void",
        "d    3 s                        15",
        "",
        "a: one",
        "b: two",
        "c: void: broke",
        "d: three",
    ]


def test_a_row_is_written_with_exactly_these_keys() -> None:
    assert set(void("a", "s", "why").as_json()) == KEYS


def test_an_unknown_row_is_one_line_with_the_known_ones() -> None:
    line = [sys.executable, str(ROOT / "tests/bench/run.py"), "--row", "nope"]
    done = subprocess.run(line, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (2, "")
    [told] = done.stderr.splitlines()
    assert told.startswith('bench: no row "nope": there are endpoint-to-answer-0ms, endpoint-to-answer-90ms, ')
