"""Files that are read again when they change; the last good content stays."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor
from contextlib import suppress
from math import inf
from multiprocessing import active_children, get_context
from pathlib import Path
from typing import Generic, TypeVar

from federation.files import SIZE, Stamp, stamp_of
from federation.model.errors import InputError

T = TypeVar("T")

ENDED = "the process that reads it was ended (for want of memory?); touch the file to have it read again"


class Followed(Generic[T]):
    """`now` is what the file says; `fault` why it is not what it says at this moment."""

    def __init__(self, path: Path, read: Callable[[Path], T], option: str = "", beside: float = inf) -> None:
        """Reads it. InputError, and what `read` raises. It was given by this option. One of more than `beside` bytes is
        read anew in a process of its own: `read` can be pickled then.
        """
        self._path = path
        self._read = read
        self._named = f"{option} {path}".lstrip()
        self._beside = beside
        self._reading: Future[T] | None = None
        self._stamp: Stamp = ()
        with suppress(OSError):
            self._stamp = stamp_of(path)
        self.now: T = read(path)
        self.fault: InputError | None = None

    @property
    def problems(self) -> tuple[str, ...]:
        """The fault as a line."""
        return (f"{self.fault.code} {self.fault.text}; the last good content stays",) if self.fault else ()

    def look(self) -> T:
        """What is read of it by now: the very same object while nothing changed."""
        reading = self._reading
        try:
            if reading is None:
                self._follow(stamp_of(self._path))
            elif reading.done():
                self._reading = None
                self._take(reading.result())
        except InputError as error:
            self.fault = error
        except BrokenExecutor:
            self.fault = InputError(f"{self._named}: {ENDED}", "E122")
        except OSError as error:
            self._stamp = () if reading is None else self._stamp
            self.fault = InputError(f"{self._named}: {error.strerror or error}", "E122")
        return self.now

    def _follow(self, stamp: Stamp) -> None:
        if stamp == self._stamp:
            return
        self._stamp = stamp
        if stamp[SIZE] <= self._beside:
            self._take(self._read(self._path))
            return
        pool = ProcessPoolExecutor(1, mp_context=get_context("spawn"))
        self._reading = pool.submit(self._read, self._path)
        pool.shutdown(wait=False)

    def _take(self, content: T) -> None:
        self.now, self.fault = content, None


def end_readers() -> None:
    """End the processes that read files at this moment: who stops waits for none of them."""
    for reader in active_children():
        reader.kill()
