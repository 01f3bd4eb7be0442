"""The operator's files of where clients are: read at the start, and again beside the server when one changes."""

from __future__ import annotations

from collections.abc import Sequence
from operator import is_
from pathlib import Path

from gslb.followed import Followed
from gslb.geo import read_geo
from gslb.guides import Atlas
from gslb.latencies import Latencies, parse_latencies
from gslb.option_files import option_text


class AtlasFiles:
    """`problems` has a line for each file that is not the one in force."""

    def __init__(self, geo: Sequence[Path] = (), latencies: Path | None = None) -> None:
        """Reads them. InputError (E122) when one cannot be read."""
        self._geo = [Followed(path, read_geo, "--geo", beside=0) for path in geo]
        self._latencies = None if latencies is None else Followed(latencies, _read_latencies, "--latencies")
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
