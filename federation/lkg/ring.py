"""Keeps the last good content of a feed as files of three ages, each replaced atomically, and a log of what changed
since the youngest was written.

A file is the SHA-256 of what follows, then MessagePack of `Kept`. A file that is torn or zeroed fails its checksum
and the next older one is taken. The log is a row of steps: each is its length (4 bytes, big-endian), MessagePack of
`_Step`, and the SHA-256 of the checksum before it and of that; before the first stands the youngest file's. So a log
counts for that very file, and as far as it is whole.
"""

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from threading import Lock

import msgspec
from msgspec import Struct

from federation.files import append_private, write_private
from federation.session.tree import Tree, compare, tree_of

AGES = (("now", 0), ("10m", 600), ("1d", 86_400))
YOUNGEST, LOG = ".now", ".log"
CHECKSUM, LENGTH = 32, 4

LOG_LEAST, LOG_PART = 64 * 1024, 2
"""Bytes that a log may have in any case, and which part of its file; then the file is written anew."""

_encoder = msgspec.msgpack.Encoder()


class Kept(Struct, frozen=True):
    """What was good, and the Unix second at which it was kept."""

    time: int
    head: bytes
    content: dict[str, bytes]

    @property
    def tree(self) -> Tree:
        """The content as a hash tree."""
        return tree_of(self.content)


class _Step(Struct, frozen=True):
    """From what was kept before to what was kept at this Unix second."""

    time: int
    head: bytes
    changed: dict[str, bytes]
    removed: tuple[str, ...]


class _Held(Struct, frozen=True):
    """What is on disk: the last checksum, and for how many more bytes the log has room."""

    tree: Tree
    checksum: bytes
    room: int


_decoder = msgspec.msgpack.Decoder(Kept)
_step_decoder = msgspec.msgpack.Decoder(_Step)


class Ring:
    """The one writer of a ring, from whichever thread. To keep something costs what changed since the last time."""

    def __init__(self, directory: Path, name: str) -> None:
        self._directory = directory
        self._name = name
        self._youngest, self._log = directory / f"{name}{YOUNGEST}", directory / f"{name}{LOG}"
        self._held: _Held | None = None
        self._lock = Lock()

    def keep(self, head: bytes, tree: Tree, now: int) -> None:
        """Keep this content as the newest, ageing the ring where it is due. OSError when the disk does not take it: the
        old stays.
        """
        with self._lock:
            held, self._held = self._held, None
            stepped = None if held is None or self._is_due(now) else self._stepped(held, head, tree, now)
            self._held = stepped or self._anew(Kept(now, head, dict(tree.items())), tree)

    def _stepped(self, held: _Held, head: bytes, tree: Tree, now: int) -> _Held | None:
        """What is on disk after one more step in the log; None where that has no room for it."""
        change = compare(held.tree, tree)
        body = _encoder.encode(_Step(now, head, change.changed, tuple(sorted(change.removed))))
        checksum = sha256(held.checksum + body).digest()
        step = len(body).to_bytes(LENGTH, "big") + body + checksum
        if len(step) > held.room:
            return None
        append_private(self._log, step)
        return _Held(tree, checksum, held.room - len(step))

    def _is_due(self, now: int) -> bool:
        """True when the file is to be written anew: it was removed, or an older one is due."""
        older = (_due(self._directory / f"{self._name}.{age}", seconds, now) for age, seconds in AGES[1:])
        return not self._youngest.exists() or any(older)

    def _anew(self, kept: Kept, tree: Tree) -> _Held:
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        _age(self._directory, self._name, kept.time)
        data = _file(kept)
        write_private(self._youngest, data)
        self._log.unlink(missing_ok=True)
        return _Held(tree, data[:CHECKSUM], max(LOG_LEAST, len(data) // LOG_PART))


def newest(directory: Path, name: str) -> Kept | None:
    """What was kept last, as far as files are whole, or None."""
    log = bytes_of(directory / f"{name}{LOG}")
    for age, _ in AGES:
        path = directory / f"{name}.{age}"
        data = bytes_of(path)
        kept = _parsed(data)
        if kept is not None:
            return _after(kept, log, data[:CHECKSUM])
    return None


def read(path: Path) -> Kept | None:
    """What this file holds, without its log; None when it is absent, torn or of another form."""
    return _parsed(bytes_of(path))


def is_sound(data: bytes) -> bool:
    """True when this file has the checksum with which it begins."""
    return sha256(data[CHECKSUM:]).digest() == data[:CHECKSUM]


def is_whole(log: bytes, checksum: bytes) -> bool:
    """True when every byte of this log belongs to a step, of the file with this checksum."""
    return sum(LENGTH + size + CHECKSUM for size, _ in _steps(log, checksum)) == len(log)


def _parsed(data: bytes) -> Kept | None:
    if not is_sound(data):
        return None
    try:
        return _decoder.decode(data[CHECKSUM:])
    except msgspec.MsgspecError:
        return None


def _after(kept: Kept, log: bytes, checksum: bytes) -> Kept:
    content = dict(kept.content)
    for _, step in _steps(log, checksum):
        content.update(step.changed)
        for key in step.removed:
            content.pop(key, None)
        kept = Kept(step.time, step.head, content)
    return kept


def _steps(log: bytes, checksum: bytes) -> Iterator[tuple[int, _Step]]:
    """The steps that are whole, each with its bytes of MessagePack."""
    at = 0
    while True:
        begin = at + LENGTH
        end = begin + int.from_bytes(log[at:begin], "big")
        body, at = log[begin:end], end + CHECKSUM
        checksum = sha256(checksum + body).digest()
        if log[end:at] != checksum:
            return
        try:
            yield len(body), _step_decoder.decode(body)
        except msgspec.MsgspecError:
            return


def _file(kept: Kept) -> bytes:
    body = _encoder.encode(kept)
    return sha256(body).digest() + body


def bytes_of(path: Path) -> bytes:
    """Those of a file; none when it cannot be read."""
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _due(path: Path, seconds: int, now: int) -> bool:
    return not path.exists() or now - path.stat().st_mtime >= seconds


def _age(directory: Path, name: str, now: int) -> None:
    """Oldest first: each older file is replaced by the next newer when it is due, and only by one that is whole."""
    paths = [directory / f"{name}.{age}" for age, _ in AGES]
    for index in range(len(AGES) - 1, 0, -1):
        if _due(paths[index], AGES[index][1], now):
            kept = read(paths[index - 1])
            if kept is not None:
                write_private(paths[index], _file(kept if index > 1 else newest(directory, name) or kept))
