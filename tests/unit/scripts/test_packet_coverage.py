from types import ModuleType

import pytest

from tests.worlds.script import load_script


@pytest.fixture(scope="module")
def script() -> ModuleType:
    return load_script("packet_coverage")


def part(covered: int, count: int) -> dict[str, int]:
    return {"covered": covered, "count": count}


def test_a_branch_is_left_that_no_copy_of_a_function_takes(script: ModuleType) -> None:
    """A generic function has one entry for each type; each counts when it is true and when it is false."""
    file = {
        "filename": "/x/src/one.rs",
        "summary": {"lines": part(9, 10), "regions": part(3, 4), "branches": part(3, 4)},
        "branches": [[4, 8, 4, 20, 3, 0, 0, 0, 4], [4, 8, 4, 20, 0, 2, 0, 0, 4], [6, 8, 6, 20, 5, 0, 0, 0, 4]],
        "segments": [[3, 1, 7, True, True, False], [8, 1, 0, True, True, False], [9, 1, 0, True, True, True]],
    }
    (row,) = script.rust_rows([file])
    assert (row.file, row.lines, row.branches, row.left) == ("one.rs", (9, 10), (3, 4), (6, 8))


def test_lines_and_branches_of_python_that_are_left(script: ModuleType) -> None:
    summary = {"covered_lines": 8, "num_statements": 10, "covered_branches": 3, "num_branches": 4}
    file = {"summary": summary, "missing_lines": [7, 8], "missing_branches": [[5, 7]]}
    rows = script.python_rows({f"dns/gslb/{room}.py": file for room in script.ROOMS})
    assert (rows[0].file, rows[0].left, len(rows)) == ("answer.py", (5, 7, 8), len(script.ROOMS))


def test_the_table_has_sums_and_runs_of_lines(script: ModuleType) -> None:
    one = script.Row("a.rs", script.Part(1, 2), script.Part(0, 0), script.Part(3, 3), (1, 2, 3, 9))
    found = script.table("Rust", [one, one]).splitlines()
    assert [line.split() for line in found[1:]] == [
        ["a.rs", "1/2", "50", "%", "-", "3/3", "100", "%", "1-3", "9"],
        ["a.rs", "1/2", "50", "%", "-", "3/3", "100", "%", "1-3", "9"],
        ["all", "2/4", "50", "%", "-", "6/6", "100", "%"],
    ]
