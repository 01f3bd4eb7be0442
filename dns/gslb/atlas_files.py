"""The operator's files of where clients are: read at the start, and again beside the server when one changes."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor
from contextlib import suppress
from multiprocessing import get_context
from operator import is_
from pathlib import Path

from federation.files import Stamp, stamp_of
from federation.model.errors import InputError
from gslb.followed import Followed
from gslb.geo import GeoTable, read_geo
from gslb.guides import Atlas
from gslb.latencies import Latencies, parse_latencies
from gslb.option_files import option_text


class AtlasFiles:
    """`problems` has a line for each file that is not the one in force."""

    def __init__(self, geo: Sequence[Path] = (), latencies: Path | None = None) -> None:
        """Reads them. InputError (E122) when one cannot be read."""
        self._geo = [_GeoFile(path) for path in geo]
        self._latencies = None if latencies is None else Followed(latencies, _read_latencies)
        self._atlas = Atlas()

    @property
    def problems(self) -> tuple[str, ...]:
        """One line each."""
        measured = self._latencies.problems if self._latencies else ()
        return (*(line for one in self._geo for line in one.problems), *measured)

    def look(self) -> Atlas:
        """The very same object while nothing changed."""
        geo = tuple(one.look() for one in self._geo)
        latencies = self._latencies.look() if self._latencies else self._atlas.latencies
        held = (*self._atlas.geo, self._atlas.latencies)
        if len(geo) + 1 != len(held) or not all(map(is_, held, (*geo, latencies))):
            self._atlas = Atlas(geo, latencies)
        return self._atlas


def _read_latencies(path: Path) -> Latencies:
    return parse_latencies(option_text("--latencies", path), str(path))


class _GeoFile:
    """One MaxMind DB file. Reading takes seconds, so it is read anew in a process of its own."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp: Stamp = ()
        with suppress(OSError):
            self._stamp = stamp_of(path)
        self._table = read_geo(path)
        self._reading: Future[GeoTable] | None = None
        self.problems: tuple[str, ...] = ()

    def look(self) -> GeoTable:
        """What is read of it by now."""
        if self._reading is None:
            self._begin()
        elif self._reading.done():
            self._take(self._reading)
            self._reading = None
        return self._table

    def _begin(self) -> None:
        try:
            stamp = stamp_of(self._path)
        except OSError as error:
            self.problems = (f"E122 --geo {self._path}: {error.strerror}; the last good content stays",)
            return
        if stamp != self._stamp:
            self._stamp = stamp
            pool = ProcessPoolExecutor(1, mp_context=get_context("spawn"))
            self._reading = pool.submit(read_geo, self._path)
            pool.shutdown(wait=False)

    def _take(self, reading: Future[GeoTable]) -> None:
        try:
            self._table, self.problems = reading.result(), ()
        except InputError as error:
            self.problems = (f"{error.code} {error.text}; the last good content stays",)
        except OSError as error:
            self.problems = (f"E122 --geo {self._path}: {error}; the last good content stays",)
        except BrokenExecutor:
            why = "the process that reads it was ended (for want of memory?); touch the file to have it read again"
            self.problems = (f"E122 --geo {self._path}: {why}; the last good content stays",)
