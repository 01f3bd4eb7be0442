"""Keeps the last good content of a feed as files of three ages, each replaced atomically.

A file is the SHA-256 of what follows, then MessagePack of `Kept`. A file that is torn or zeroed fails its checksum
and the next older one is taken.
"""

from hashlib import sha256
from pathlib import Path

import msgspec
from msgspec import Struct

from federation.files import write_private
from federation.session.tree import Tree, tree_of

AGES = (("now", 0), ("10m", 600), ("1d", 86_400))

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


_decoder = msgspec.msgpack.Decoder(Kept)


def keep(directory: Path, name: str, head: bytes, tree: Tree, now: int) -> None:
    """Keep this content as the newest, ageing the ring first. OSError when the disk does not take it: the old stays."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    body = _encoder.encode(Kept(now, head, dict(tree.items())))
    _age(directory, name, now)
    write_private(directory / f"{name}.now", sha256(body).digest() + body)


def newest(directory: Path, name: str) -> Kept | None:
    """The newest file of the ring that is whole, or None."""
    for age, _ in AGES:
        kept = read(directory / f"{name}.{age}")
        if kept is not None:
            return kept
    return None


def read(path: Path) -> Kept | None:
    """What this file holds; None when it is absent, torn or of another form."""
    try:
        data = path.read_bytes()
    except OSError:
        return None
    if sha256(data[32:]).digest() != data[:32]:
        return None
    try:
        return _decoder.decode(data[32:])
    except msgspec.MsgspecError:
        return None


def _age(directory: Path, name: str, now: int) -> None:
    """Oldest first: each older file is replaced by the next newer when it is due, and only by one that is whole."""
    paths = [directory / f"{name}.{age}" for age, _ in AGES]
    for index in range(len(AGES) - 1, 0, -1):
        newer, older = paths[index - 1], paths[index]
        due = not older.exists() or now - older.stat().st_mtime >= AGES[index][1]
        if due and read(newer) is not None:
            write_private(older, newer.read_bytes())
