"""Zone files on disk, read again when one changes: the last good zone of each serves on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from operator import is_
from pathlib import Path

from msgspec import Struct

from federation.model.errors import InputError
from federation.model.names import is_host
from gslb.followed import Followed
from gslb.master import load_zone
from gslb.zone import CLUSTER, NO_ZONES, Zone, lies_in

BESIDE = 32_768
"""Bytes of a file that takes 30 ms to read; larger ones are read anew in a process of their own."""


class Given(Struct, frozen=True):
    """A file, and the name of its zone ("": it says that itself)."""

    path: Path
    apex: str = ""


def parse_given(texts: Iterable[str]) -> tuple[Given, ...]:
    """FILE or APEX=FILE each. InputError."""
    found = []
    for text in texts:
        before, equals, after = text.partition("=")
        apex = before.rstrip(".").lower() if equals else ""
        if equals and not is_host(apex):
            raise InputError(f'--zone-file "{text}": "{before}" is not a DNS name; write APEX=FILE', "E125")
        found.append(Given(Path(after if equals else text), apex))
    return tuple(found)


def read_zone(path: Path, apex: str) -> Zone:
    """The zone in this file, of this name ("": it says that itself). InputError (E125)."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: byte {error.start} is not UTF-8 text", "E125") from None
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}", "E125") from None
    return load_zone(text, str(path), apex)


class ZoneFiles:
    """`problems` has a line for each file whose zone is not the one that serves."""

    def __init__(self, given: tuple[Given, ...]) -> None:
        """Reads them. InputError (E125) when one is not a zone, or two are the same."""
        self._files = {one.path: Followed(one.path, partial(read_zone, apex=one.apex), beside=BESIDE) for one in given}
        self._zones: dict[Path, Zone] = {}
        self._faults: dict[Path, str] = {}
        self._by_apex: Mapping[str, Zone] = NO_ZONES
        self.look()
        if self._faults:
            raise InputError(next(iter(self._faults.values())), "E125")

    @property
    def problems(self) -> tuple[str, ...]:
        """One line each."""
        return tuple(f"E125 {text}; the last good zone serves on" for text in self._faults.values())

    def look(self) -> Mapping[str, Zone]:
        """The zones by apex: the very same mapping while none is another, the very same RRsets that are as before."""
        before = [*self._zones.values()]
        self._faults = {path: text for path, file in self._files.items() if (text := self._taken(path, file))}
        if len(before) != len(self._zones) or not all(map(is_, before, self._zones.values())):
            self._by_apex = {zone.apex: zone for zone in self._zones.values()}
        return self._by_apex

    def _taken(self, path: Path, file: Followed[Zone]) -> str:
        """Take up what is read of this file; what is wrong with it."""
        zone, held = file.look(), self._zones.get(path)
        if zone is not held:
            wrong = self._wrong(path, zone)
            if wrong:
                return wrong
            file.now = self._zones[path] = zone if held is None else zone.sharing(held)
        return file.fault.text if file.fault else ""

    def _wrong(self, path: Path, zone: Zone) -> str:
        if lies_in(zone.apex, CLUSTER):
            return f"{path}: zone {zone.apex} lies in {CLUSTER}, which has its own names"
        other = next((at for at, held in self._zones.items() if at != path and held.apex == zone.apex), None)
        return f"{path}: zone {zone.apex} is in {other} already" if other is not None else ""
