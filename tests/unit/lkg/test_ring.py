"""The ring on disk: torn, zeroed or absent files never stop a start."""

import os
from pathlib import Path
from random import Random

import pytest

from federation.lkg.ring import AGES, LOG_LEAST, Ring, newest, read
from federation.session.tree import Tree, tree_of

OLD, NEW = tree_of({"a": b"old"}), tree_of({"a": b"new", "b": bytes(60)})


def test_what_was_kept_is_found(tmp_path: Path) -> None:
    assert newest(tmp_path, "handout") is None
    Ring(tmp_path, "handout").keep(b"head", NEW, 100)
    kept = newest(tmp_path, "handout")
    assert kept is not None
    assert (kept.time, kept.head, kept.tree.root) == (100, b"head", NEW.root)
    assert (tmp_path / "handout.now").stat().st_mode & 0o777 == 0o600


def test_truncated_at_every_byte_the_one_before_is_taken(tmp_path: Path) -> None:
    Ring(tmp_path, "handout").keep(b"1", OLD, 100)
    Ring(tmp_path, "handout").keep(b"2", NEW, 101)
    path = tmp_path / "handout.now"
    whole = path.read_bytes()
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        kept = newest(tmp_path, "handout")
        assert kept is not None
        assert kept.tree.root == OLD.root


@pytest.mark.parametrize("data", [b"", bytes(500), b"\xff" * 33])
def test_a_file_of_another_form_is_no_file(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "handout.now").write_bytes(data)
    assert newest(tmp_path, "handout") is None


def test_the_older_files_age_by_time_not_by_writes(tmp_path: Path) -> None:
    for number in range(20):
        Ring(tmp_path, "handout").keep(b"%d" % number, tree_of({"n": b"%d" % number}), 1_000 + number)
    older = read(tmp_path / "handout.10m")
    assert older is not None
    assert older.head == b"0"
    aged = (tmp_path / "handout.10m").stat()
    os.utime(tmp_path / "handout.10m", (aged.st_atime, 1_000))
    Ring(tmp_path, "handout").keep(b"late", NEW, 1_700)
    older = read(tmp_path / "handout.10m")
    assert older is not None
    assert older.head == b"19"


def test_a_disk_that_takes_nothing_leaves_the_old(tmp_path: Path) -> None:
    Ring(tmp_path, "handout").keep(b"1", OLD, 100)
    (tmp_path / "handout.now.new").mkdir()
    with pytest.raises(OSError, match=r"handout\.now\.new"):
        Ring(tmp_path, "handout").keep(b"2", NEW, 101)
    kept = newest(tmp_path, "handout")
    assert kept is not None
    assert kept.head == b"1"


def test_the_oldest_file_is_really_old(tmp_path: Path) -> None:
    for hour in range(30):
        for age, _ in AGES:
            path = tmp_path / f"handout.{age}"
            if path.exists():
                os.utime(path, (0, read(path).time))  # type: ignore[union-attr]
        Ring(tmp_path, "handout").keep(b"%d" % hour, tree_of({"n": b"%d" % hour}), 1_000_000 + 3_600 * hour)
    oldest, older = read(tmp_path / "handout.1d"), read(tmp_path / "handout.10m")
    assert oldest is not None and older is not None
    assert older.head == b"28"
    assert int(oldest.head) < 28


def test_a_torn_file_is_never_copied_over_an_older_one(tmp_path: Path) -> None:
    Ring(tmp_path, "handout").keep(b"good", OLD, 100)
    Ring(tmp_path, "handout").keep(b"good", OLD, 101)
    (tmp_path / "handout.now").write_bytes(b"torn")
    os.utime(tmp_path / "handout.10m", (0, 0))
    Ring(tmp_path, "handout").keep(b"new", NEW, 10_000)
    older = read(tmp_path / "handout.10m")
    assert older is not None
    assert older.head == b"good"


LARGE = tree_of({str(number): bytes(1_000) for number in range(100)})


def logged(folder: Path, *trees: Tree) -> Ring:
    """A ring whose file holds LARGE, and whose log a step to each of these."""
    made = Ring(folder, "handout")
    for number in range(3):
        made.keep(b"%d" % number, LARGE, 1_000)
    for number, tree in enumerate(trees, start=3):
        made.keep(b"%d" % number, tree, 1_000 + number)
    return made


def test_a_change_is_written_and_no_more(tmp_path: Path) -> None:
    logged(tmp_path)
    before = (tmp_path / "handout.now").stat()
    logged(tmp_path / "other", LARGE.put("a", b"1"), LARGE.put("a", b"2").drop("7"))
    folder, log = tmp_path / "other", tmp_path / "other" / "handout.log"
    assert (folder / "handout.now").stat().st_size == before.st_size
    assert log.stat().st_size < 400 and log.stat().st_mode & 0o777 == 0o600
    kept = newest(folder, "handout")
    assert kept is not None
    assert (kept.time, kept.head, kept.tree.root) == (1_004, b"4", LARGE.put("a", b"2").drop("7").root)


def test_a_log_counts_as_far_as_it_is_whole(tmp_path: Path) -> None:
    trees = [LARGE.put("a", b"%d" % number).drop(str(number)) for number in range(3)]
    logged(tmp_path, *trees)
    path = tmp_path / "handout.log"
    whole, seen = path.read_bytes(), list[bytes]()
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        kept = newest(tmp_path, "handout")
        assert kept is not None
        assert kept.tree.root == [LARGE, *trees][int(kept.head) - 2].root
        seen.append(kept.head)
    assert seen == sorted(seen) and set(seen) == {b"2", b"3", b"4"}
    path.write_bytes(whole + b"more")
    kept = newest(tmp_path, "handout")
    assert kept is not None and kept.head == b"5"


@pytest.mark.parametrize("at", [0, 5, -1])
def test_a_log_in_which_a_byte_is_another_counts_up_to_there(tmp_path: Path, at: int) -> None:
    logged(tmp_path, LARGE.put("a", b"1"))
    path = tmp_path / "handout.log"
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)
    kept = newest(tmp_path, "handout")
    assert kept is not None and kept.tree.root == LARGE.root


def test_the_log_of_another_file_counts_for_nothing(tmp_path: Path) -> None:
    logged(tmp_path, LARGE.put("a", b"1"))
    log = (tmp_path / "handout.log").read_bytes()
    Ring(tmp_path, "handout").keep(b"new", NEW, 2_000)
    assert not (tmp_path / "handout.log").exists()
    (tmp_path / "handout.log").write_bytes(log)
    kept = newest(tmp_path, "handout")
    assert kept is not None and (kept.head, kept.tree.root) == (b"new", NEW.root)


def test_a_long_log_is_written_into_a_new_file(tmp_path: Path) -> None:
    made, path = logged(tmp_path), tmp_path / "handout.now"
    begun, number, sizes = path.stat().st_ino, 0, [0]
    while path.stat().st_ino == begun:
        made.keep(b"h", LARGE.put("a", b"%d" % number + bytes(9_000)), 1_000)
        number, log = number + 1, tmp_path / "handout.log"
        sizes.append(log.stat().st_size if log.exists() else 0)
    assert max(sizes) <= LOG_LEAST and sizes[-1] == 0
    assert number == LOG_LEAST // 9_100 + 1
    kept = newest(tmp_path, "handout")
    assert kept is not None and kept.content["a"].startswith(b"%d" % (number - 1))


def test_a_step_that_the_disk_does_not_take_leaves_the_old_and_the_next_is_whole(tmp_path: Path) -> None:
    made, log = logged(tmp_path), tmp_path / "handout.log"
    log.mkdir()
    with pytest.raises(OSError, match=r"handout\.log"):
        made.keep(b"lost", NEW, 1_001)
    log.rmdir()
    log.write_bytes(b"torn")
    made.keep(b"whole", NEW, 1_002)
    kept = newest(tmp_path, "handout")
    assert kept is not None and (kept.head, log.exists()) == (b"whole", False)


@pytest.mark.parametrize("age", ["now", "10m", "1d"])
def test_a_file_that_was_removed_under_the_writer_comes_back(tmp_path: Path, age: str) -> None:
    made = logged(tmp_path, LARGE.put("a", b"1"))
    (tmp_path / f"handout.{age}").unlink()
    made.keep(b"new", NEW, 1_001)
    kept = newest(tmp_path, "handout")
    assert kept is not None and (kept.head, kept.tree.root) == (b"new", NEW.root)
    assert (tmp_path / f"handout.{age}").exists()


def test_what_ages_is_the_file_with_its_log(tmp_path: Path) -> None:
    made = logged(tmp_path, LARGE.put("a", b"1"))
    os.utime(tmp_path / "handout.10m", (0, 1_000))
    made.keep(b"late", NEW, 1_700)
    older = read(tmp_path / "handout.10m")
    assert older is not None and older.content["a"] == b"1"


@pytest.mark.parametrize("seed", range(20))
def test_whatever_is_kept_and_torn_the_newest_that_is_whole_is_found(tmp_path: Path, seed: int) -> None:
    chance, tree, trees = Random(seed), tree_of({}), dict[bytes, bytes]()
    made = Ring(tmp_path, "handout")
    for number in range(60):
        key = str(chance.randrange(8))
        tree = tree.drop(key) if chance.random() < 0.3 else tree.put(key, bytes(chance.randrange(9_000)))
        head = b"%02d" % number
        trees[head] = tree.root
        made.keep(head, tree, 1_000)
        if chance.random() < 0.1:
            made = Ring(tmp_path, "handout")
        kept = newest(tmp_path, "handout")
        assert kept is not None and (kept.head, kept.tree.root) == (head, tree.root)
    log = tmp_path / "handout.log"
    if log.exists():
        log.write_bytes(log.read_bytes()[: chance.randrange(log.stat().st_size)])
        kept = newest(tmp_path, "handout")
        assert kept is not None and trees[kept.head] == kept.tree.root
