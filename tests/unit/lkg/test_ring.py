"""The ring on disk: torn, zeroed or absent files never stop a start."""

import os
from pathlib import Path

import pytest

from federation.lkg import ring
from federation.session.tree import tree_of

OLD, NEW = tree_of({"a": b"old"}), tree_of({"a": b"new", "b": bytes(60)})


def test_what_was_kept_is_found(tmp_path: Path) -> None:
    assert ring.newest(tmp_path, "handout") is None
    ring.keep(tmp_path, "handout", b"head", NEW, 100)
    kept = ring.newest(tmp_path, "handout")
    assert kept is not None
    assert (kept.time, kept.head, kept.tree.root) == (100, b"head", NEW.root)
    assert (tmp_path / "handout.now").stat().st_mode & 0o777 == 0o600


def test_truncated_at_every_byte_the_one_before_is_taken(tmp_path: Path) -> None:
    ring.keep(tmp_path, "handout", b"1", OLD, 100)
    ring.keep(tmp_path, "handout", b"2", NEW, 101)
    path = tmp_path / "handout.now"
    whole = path.read_bytes()
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        kept = ring.newest(tmp_path, "handout")
        assert kept is not None
        assert kept.tree.root == OLD.root


@pytest.mark.parametrize("data", [b"", bytes(500), b"\xff" * 33])
def test_a_file_of_another_form_is_no_file(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "handout.now").write_bytes(data)
    assert ring.newest(tmp_path, "handout") is None


def test_the_older_files_age_by_time_not_by_writes(tmp_path: Path) -> None:
    for number in range(20):
        ring.keep(tmp_path, "handout", b"%d" % number, tree_of({"n": b"%d" % number}), 1_000 + number)
    older = ring.read(tmp_path / "handout.10m")
    assert older is not None
    assert older.head == b"0"
    aged = (tmp_path / "handout.10m").stat()
    os.utime(tmp_path / "handout.10m", (aged.st_atime, 1_000))
    ring.keep(tmp_path, "handout", b"late", NEW, 1_700)
    older = ring.read(tmp_path / "handout.10m")
    assert older is not None
    assert older.head == b"19"


def test_a_disk_that_takes_nothing_leaves_the_old(tmp_path: Path) -> None:
    ring.keep(tmp_path, "handout", b"1", OLD, 100)
    (tmp_path / "handout.now.new").mkdir()
    with pytest.raises(OSError, match=r"handout\.now\.new"):
        ring.keep(tmp_path, "handout", b"2", NEW, 101)
    kept = ring.newest(tmp_path, "handout")
    assert kept is not None
    assert kept.head == b"1"


def test_the_oldest_file_is_really_old(tmp_path: Path) -> None:
    for hour in range(30):
        for age, _ in ring.AGES:
            path = tmp_path / f"handout.{age}"
            if path.exists():
                os.utime(path, (0, ring.read(path).time))  # type: ignore[union-attr]
        ring.keep(tmp_path, "handout", b"%d" % hour, tree_of({"n": b"%d" % hour}), 1_000_000 + 3_600 * hour)
    oldest, older = ring.read(tmp_path / "handout.1d"), ring.read(tmp_path / "handout.10m")
    assert oldest is not None and older is not None
    assert older.head == b"28"
    assert int(oldest.head) < 28


def test_a_torn_file_is_never_copied_over_an_older_one(tmp_path: Path) -> None:
    ring.keep(tmp_path, "handout", b"good", OLD, 100)
    ring.keep(tmp_path, "handout", b"good", OLD, 101)
    (tmp_path / "handout.now").write_bytes(b"torn")
    os.utime(tmp_path / "handout.10m", (0, 0))
    ring.keep(tmp_path, "handout", b"new", NEW, 10_000)
    older = ring.read(tmp_path / "handout.10m")
    assert older is not None
    assert older.head == b"good"
