"""The embedded store: one SQLite file; a flush is one durable transaction.

Room is reserved when it is opened: pages in the file, and a log that is written over from its start. So the small
state of a controller goes on being kept while the disk is full.
"""

import sqlite3
from collections.abc import Mapping
from pathlib import Path

from federation.model.errors import Unavailable

PAGE = 4096
ROOM = 256 * PAGE
"""Bytes of room: pages that changed between two checkpoints."""
RESERVE = "reserve"


class SqliteFile:
    """Keys and values in one file (created 0600 by the folder's mode); every write is durable before it returns."""

    def __init__(self, path: Path) -> None:
        """Open or create. Unavailable when the file is no database or cannot be written."""
        try:
            self._db = sqlite3.connect(path, isolation_level=None)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=FULL")
            self._db.execute(
                "CREATE TABLE IF NOT EXISTS kept (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID"
            )
        except sqlite3.Error as error:
            raise Unavailable(f"store {path}: {error}") from None
        self.problems = self._reserve()

    def _reserve(self) -> tuple[str, ...]:
        """Grow file and log once, so that later writes need no room; what is wrong when the disk has none."""
        self._db.execute(f"PRAGMA wal_autocheckpoint={ROOM // PAGE}")
        try:
            self.put(RESERVE, bytes(ROOM))
            self.drop(RESERVE)
        except Unavailable as error:
            return (f"{error.text}; no room is reserved for later writes: free some and restart",)
        return ()

    def get(self, key: str) -> bytes | None:
        """The value, or None."""
        row = self._db.execute("SELECT value FROM kept WHERE key = ?", (key,)).fetchone()
        return None if row is None else bytes(row[0])

    def put(self, key: str, value: bytes) -> None:
        """Set the value durably. Unavailable when the disk does not take it."""
        self._write(
            "INSERT INTO kept VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
            (key, value),
        )

    def drop(self, key: str) -> None:
        """Forget the key."""
        self._write("DELETE FROM kept WHERE key = ?", (key,))

    def items(self, prefix: str) -> dict[str, bytes]:
        """Every key with this prefix."""
        rows = self._db.execute("SELECT key, value FROM kept WHERE substr(key, 1, ?) = ?", (len(prefix), prefix))
        return {key: bytes(value) for key, value in rows}

    def change(self, values: Mapping[str, bytes | None]) -> None:
        """Set (None: forget) all of these or none. Unavailable when the disk does not take it."""
        try:
            self._db.execute("BEGIN IMMEDIATE")
            with self._db:
                for key, value in values.items():
                    self.drop(key) if value is None else self.put(key, value)
        except sqlite3.Error as error:
            raise Unavailable(f"store: {error}") from None

    def _write(self, statement: str, values: tuple[object, ...]) -> None:
        try:
            self._db.execute(statement, values)
        except sqlite3.Error as error:
            raise Unavailable(f"store: {error}") from None


class SqliteStore:
    """A Store over such a file: what is written is staged, and a flush writes it whole or not at all."""

    def __init__(self, path: Path) -> None:
        """Open or create. Unavailable when the file is no database or cannot be written."""
        self._file = SqliteFile(path)
        self._staged: dict[str, bytes | None] = {}
        self.problems = self._file.problems

    def get(self, key: str) -> bytes | None:
        """The value, or None."""
        return self._staged[key] if key in self._staged else self._file.get(key)

    def put(self, key: str, value: bytes) -> None:
        """Set the value; `flush` makes it durable."""
        self._staged[key] = value

    def drop(self, key: str) -> None:
        """Forget the key; `flush` makes it durable."""
        self._staged[key] = None

    def items(self, prefix: str) -> dict[str, bytes]:
        """Every key with this prefix."""
        staged = {key: value for key, value in self._staged.items() if key.startswith(prefix)}
        found = self._file.items(prefix) | staged
        return {key: value for key, value in found.items() if value is not None}

    async def flush(self) -> None:
        """Write what is staged. Unavailable when the disk does not take it: it stays staged."""
        if self._staged:
            self._file.change(self._staged)
            self._staged = {}
