"""The local mirror of what a shared store confirmed, and its high-water mark: so a store set back is found out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec
from msgspec import Struct

from federation.adapters.sqlite import SqliteFile

KEPT, NOW, HELD = "kept/", "now/", "held/"
_MARK, _FROZEN, _ACCEPTED = "mark", "frozen", "accepted"


class Mark(Struct, frozen=True):
    """How far the store had come when it was seen last: the count of our writes, and of an etcd also its cluster id and
    revision (0 where the store has none).
    """

    cluster: int
    revision: int
    writes: int


class Difference(Struct, frozen=True):
    """One key: as last known here, as the store has it now, as accepting would write it. None: absent."""

    key: str
    known: bytes | None
    now: bytes | None
    wanted: bytes | None


class Mirror:
    """A SQLite file in the state folder. Every change is whole and durable, or Unavailable."""

    def __init__(self, path: Path) -> None:
        self._file = SqliteFile(path)
        self.path = path

    @property
    def mark(self) -> Mark | None:
        """None before the store was seen for the first time."""
        data = self._file.get(_MARK)
        return None if data is None else msgspec.json.decode(data, type=Mark)

    @property
    def frozen(self) -> str:
        """Why deletes are frozen; empty when they are not."""
        return (self._file.get(_FROZEN) or b"").decode()

    @property
    def accepted(self) -> bool:
        """True when an operator accepted what `frozen` says now."""
        return bool(self.frozen) and self._file.get(_ACCEPTED) == self._file.get(_FROZEN)

    def content(self) -> dict[str, bytes]:
        """What is in force: as last known, without what was dropped since the freeze."""
        held = self._file.items(HELD)
        known = _bare(self._file.items(KEPT), KEPT)
        return {key: value for key, value in known.items() if HELD + key not in held}

    def note(self, changes: Mapping[str, bytes | None], mark: Mark) -> None:
        """The store confirmed these changes. While frozen the mark stays: it is what was lost."""
        values = {KEPT + key: value for key, value in changes.items()}
        values |= {HELD + key: None for key in changes}
        if self.frozen:
            values |= {NOW + key: value for key, value in changes.items()}
        else:
            values[_MARK] = msgspec.json.encode(mark)
        self._file.change(values)

    def replace(self, content: Mapping[str, bytes], mark: Mark) -> None:
        """This is what the store has, and it is in force."""
        known = _bare(self._file.items(KEPT), KEPT)
        changes: dict[str, bytes | None] = {KEPT + key: None for key in known.keys() - content.keys()}
        changes |= {KEPT + key: value for key, value in content.items() if known.get(key) != value}
        self._file.change(changes | self._thawed() | {_MARK: msgspec.json.encode(mark)})

    def why(self, what: str) -> str:
        """Why deletes are frozen, and what to do; `what` is wrong with the store."""
        command = f"isthmus store accept --state {self.path.parent}"
        return f"store {what}; deletes are frozen: `{command}` shows the difference and accepts it"

    def freeze(self, why: str, now: Mapping[str, bytes]) -> None:
        """Keep what is known, remember what the store has instead."""
        changes: dict[str, bytes | None] = dict.fromkeys(self._file.items(NOW))
        changes |= {NOW + key: value for key, value in now.items()}
        self._file.change(changes | {_FROZEN: why.encode()})

    def hold(self, keys: set[str]) -> None:
        """These were dropped while frozen."""
        new = {HELD + key for key in keys} - self._file.items(HELD).keys()
        if new:
            self._file.change(dict.fromkeys(new, b""))

    def differences(self) -> list[Difference]:
        """Every key on which the store and what is in force differ, by name."""
        known, now = _bare(self._file.items(KEPT), KEPT), _bare(self._file.items(NOW), NOW)
        wanted = self.content()
        return [
            Difference(key, known.get(key), now.get(key), wanted.get(key))
            for key in sorted(known.keys() | now.keys())
            if now.get(key) != wanted.get(key)
        ]

    def accept(self) -> None:
        """An operator accepts; the controller that leads writes it."""
        self._file.put(_ACCEPTED, self.frozen.encode())

    def _thawed(self) -> dict[str, bytes | None]:
        return dict.fromkeys([*self._file.items(NOW), *self._file.items(HELD), _FROZEN, _ACCEPTED])


def _bare(found: Mapping[str, bytes], prefix: str) -> dict[str, bytes]:
    return {key.removeprefix(prefix): value for key, value in found.items()}
