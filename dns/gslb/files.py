"""Zone files on disk, read again when one changes: the last good zone of each serves on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from msgspec import Struct

from federation.files import Stamp, stamp_of
from federation.model.errors import InputError
from federation.model.names import is_host
from gslb.master import load_zone
from gslb.zone import CLUSTER, NO_ZONES, Zone, lies_in


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


def read_zone(one: Given) -> Zone:
    """The zone in this file. InputError (E125), OSError."""
    try:
        text = one.path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{one.path}: byte {error.start} is not UTF-8 text", "E125") from None
    return load_zone(text, str(one.path), one.apex)


class ZoneFiles:
    """`problems` has a line for each file whose zone is not the one that serves."""

    def __init__(self, given: tuple[Given, ...]) -> None:
        """Reads them. InputError (E125) when one is not a zone, or two are the same."""
        self._given = given
        self._stamps: dict[Path, Stamp] = {}
        self._zones: dict[Path, Zone] = {}
        self._faults: dict[Path, str] = {}
        self._by_apex: Mapping[str, Zone] = NO_ZONES
        self._read()
        if self._faults:
            raise InputError(next(iter(self._faults.values())), "E125")

    @property
    def problems(self) -> tuple[str, ...]:
        """One line each."""
        return tuple(f"E125 {text}; the last good zone serves on" for text in self._faults.values())

    def look(self) -> Mapping[str, Zone]:
        """The zones by apex: the very same mapping while none is another."""
        self._read()
        return self._by_apex

    def _read(self) -> None:
        moved = [self._read_one(one) for one in self._given]
        if any(moved):
            self._by_apex = {zone.apex: zone for zone in self._zones.values()}

    def _read_one(self, one: Given) -> bool:
        """True when its zone is another now."""
        try:
            stamp = stamp_of(one.path)
            if stamp == self._stamps.get(one.path):
                return False
            self._stamps[one.path] = stamp
            zone = read_zone(one)
            self._check(one.path, zone)
        except InputError as error:
            self._faults[one.path] = error.text
        except OSError as error:
            self._stamps.pop(one.path, None)
            self._faults[one.path] = f"{one.path}: {error.strerror}"
        else:
            self._zones[one.path] = zone
            self._faults.pop(one.path, None)
            return True
        return False

    def _check(self, path: Path, zone: Zone) -> None:
        if lies_in(zone.apex, CLUSTER):
            raise InputError(f"{path}: zone {zone.apex} lies in {CLUSTER}, which has its own names", "E125")
        other = next((at for at, held in self._zones.items() if at != path and held.apex == zone.apex), None)
        if other is not None:
            raise InputError(f"{path}: zone {zone.apex} is in {other} already", "E125")
