"""The journal: what a key was at a moment, over days, restarts and torn lines."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from msgspec import Struct

from federation.adapters import journal
from federation.adapters.journal import KEEP_DAYS, FileJournal

DAY = 86_400_000


class Value(Struct):
    number: int


def moment(day: int, hour: int = 12) -> int:
    return int(datetime(2026, 11, day, hour, tzinfo=UTC).timestamp() * 1_000)


def test_a_key_is_found_as_it_was(tmp_path: Path) -> None:
    kept = FileJournal(tmp_path)
    kept.note(moment(1), {"a": Value(1), "b": Value(9)})
    kept.note(moment(1, 13), {"a": Value(2)})
    kept.note(moment(1, 14), {"a": None})
    at = [moment(1) - 1, moment(1), moment(1, 13) - 1, moment(1, 13), moment(1, 14)]
    assert [kept.find("a", when) for when in at] == [None, b'{"number":1}', b'{"number":1}', b'{"number":2}', None]
    assert kept.find("b", moment(1, 20)) == b'{"number":9}'


def test_a_new_day_begins_with_what_stands_also_after_a_restart(tmp_path: Path) -> None:
    FileJournal(tmp_path).note(moment(1), {"a": Value(1), "gone": Value(5)})
    FileJournal(tmp_path).note(moment(1, 13), {"gone": None})
    FileJournal(tmp_path).note(moment(3), {"b": Value(2)})
    (tmp_path / "2026-11-01.jsonl").unlink()
    kept = FileJournal(tmp_path)
    assert kept.find("a", moment(3)) == b'{"number":1}'
    assert kept.find("gone", moment(3)) is None
    assert kept.find("a", moment(2)) is None


def test_a_day_without_changes_is_read_from_the_one_before(tmp_path: Path) -> None:
    kept = FileJournal(tmp_path)
    kept.note(moment(1), {"a": Value(1)})
    assert kept.find("a", moment(4)) == b'{"number":1}'


def test_a_torn_line_is_passed_over(tmp_path: Path) -> None:
    FileJournal(tmp_path).note(moment(1), {"a": Value(1)})
    with (tmp_path / "2026-11-01.jsonl").open("ab") as file:
        file.write(b'{"at":17')
    kept = FileJournal(tmp_path)
    kept.note(moment(1, 13), {"a": Value(2)})
    assert kept.find("a", moment(1)) == b'{"number":1}'
    assert kept.find("a", moment(1, 13)) == b'{"number":2}'


def test_old_days_go(tmp_path: Path) -> None:
    kept = FileJournal(tmp_path)
    for day in range(1, 20):
        kept.note(moment(day), {"a": Value(day)})
    assert len(list(tmp_path.iterdir())) == KEEP_DAYS
    assert kept.find("a", moment(19)) == b'{"number":19}'


def test_a_full_day_is_no_longer_written_and_nothing_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "DAY_BYTES_MAX", 100)
    kept = FileJournal(tmp_path)
    for number in range(10):
        kept.note(moment(1) + number, {"a": Value(number)})
    assert (tmp_path / "2026-11-01.jsonl").stat().st_size <= 100
    kept.note(moment(2), {"b": Value(7)})
    assert kept.find("a", moment(2)) == b'{"number":9}'
