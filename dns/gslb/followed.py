"""Files that are read again when they change; the last good content stays."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Generic, TypeVar

from federation.files import Stamp, stamp_of
from federation.model.errors import InputError

T = TypeVar("T")


class Followed(Generic[T]):
    """`now` is what the file says; `problems` why it is not what it says at this moment."""

    def __init__(self, path: Path, read: Callable[[Path], T]) -> None:
        """Reads it. InputError."""
        self._path = path
        self._read = read
        self._stamp: Stamp = ()
        with suppress(OSError):
            self._stamp = stamp_of(path)
        self.now: T = read(path)
        self.problems: tuple[str, ...] = ()

    def look(self) -> T:
        """The very same object while nothing changed."""
        try:
            stamp = stamp_of(self._path)
            if stamp != self._stamp:
                self._stamp = stamp
                self.now, self.problems = self._read(self._path), ()
        except InputError as error:
            self.problems = (f"{error.code} {error.text}; the last good content stays",)
        except OSError as error:
            self._stamp = ()
            self.problems = (f"E122 {self._path}: {error.strerror}; the last good content stays",)
        return self.now
