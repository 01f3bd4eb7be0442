"""The journal of the law's inputs: JSON lines in one file a day, so that a ruling of yesterday can be looked at.

Every file begins with what stood when it was begun, so that a day can be read alone. Writing never stops the loop: what
the disk does not take is lost, and one line in the log says so.
"""

import contextlib
import logging
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from msgspec import Struct

log = logging.getLogger("journal")

KEEP_DAYS = 8
DAY_BYTES_MAX = 64 << 20
"""A day's file stops growing here: at 300 bytes an entry that is one change every 0.4 s, all day."""

LOST = "lost"
"""The key under which it is written, when writing works again, since which millisecond it had not."""

_encoder = msgspec.json.Encoder()


class Entry(Struct, frozen=True):
    """From the Unix millisecond `at`, `key` has this value; null: none any more."""

    at: int
    key: str
    value: msgspec.Raw


_decoder = msgspec.json.Decoder(Entry)


class FileJournal:
    """A Journal in one folder."""

    def __init__(self, folder: Path) -> None:
        """What the newest file holds is what stands."""
        self._folder = folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._standing: dict[str, bytes] = {}
        for path in self._files()[-1:]:
            _mend(path)
            for entry in _entries(path):
                self._stand(entry)
        self._lost_since = 0

    def note(self, at: int, values: Mapping[str, Struct | None]) -> None:
        """From the Unix millisecond `at` these keys have these values (None: no more)."""
        path = self._folder / f"{_day(at)}.jsonl"
        lines = []
        if self._lost_since:
            lines.append(_line(at, LOST, _encoder.encode(self._lost_since)))
        if self._lost_since or not path.exists():
            lines += [_line(at, key, data) for key, data in sorted(self._standing.items())]
        for key, value in values.items():
            data = b"null" if value is None else _encoder.encode(value)
            self._standing[key] = data
            lines.append(_line(at, key, data))
            if value is None:
                del self._standing[key]
        self._write(path, b"".join(lines), at)

    @property
    def problems(self) -> tuple[str, ...]:
        """What the disk did not take."""
        return ("the journal is not written: see the log; explain --at cannot look there",) if self._lost_since else ()

    def standing(self) -> set[str]:
        """The keys that have a value."""
        return set(self._standing)

    def find(self, key: str, at: int) -> bytes | None:
        """The JSON of the value that the key had at that millisecond; None when it had none, or it is forgotten or was
        not written because the disk was full.
        """
        if self._lost_since and at >= self._lost_since:
            return None
        day = _day(at)
        files = [path for path in self._files() if path.stem <= day]
        found: bytes | None = None
        for path in files[-1:]:
            for entry in _entries(path, _encoder.encode(key)):
                if entry.key == key and entry.at <= at:
                    found = bytes(entry.value)
        return None if found == b"null" or self._was_lost(at) else found

    def _was_lost(self, at: int) -> bool:
        """True when what was so at that moment was told while the disk took nothing."""
        for path in self._files():
            for entry in _entries(path, _encoder.encode(LOST)):
                if entry.key == LOST and msgspec.json.decode(entry.value, type=int) <= at < entry.at:
                    return True
        return False

    def _write(self, path: Path, data: bytes, at: int) -> None:
        try:
            if not path.exists():
                self._forget()
            elif path.stat().st_size + len(data) > DAY_BYTES_MAX:
                raise OSError(f"{path} has reached {DAY_BYTES_MAX} bytes")
            with path.open("ab") as file:
                file.write(data)
            self._lost_since = 0
        except OSError as error:
            if not self._lost_since:
                log.warning("the journal is not written", extra={"reason": str(error)})
            self._lost_since = self._lost_since or at

    def _forget(self) -> None:
        for path in self._files()[: -(KEEP_DAYS - 1)]:
            path.unlink(missing_ok=True)

    def _files(self) -> list[Path]:
        return sorted(self._folder.glob("????-??-??.jsonl"))

    def _stand(self, entry: Entry) -> None:
        if entry.key == LOST:
            return
        if bytes(entry.value) == b"null":
            self._standing.pop(entry.key, None)
        else:
            self._standing[entry.key] = bytes(entry.value)


def _line(at: int, key: str, data: bytes) -> bytes:
    return _encoder.encode(Entry(at, key, msgspec.Raw(data))) + b"\n"


def _day(at: int) -> str:
    return datetime.fromtimestamp(at / 1_000, UTC).strftime("%Y-%m-%d")


def _mend(path: Path) -> None:
    """End a line that was torn by a crash, so that the next one stands alone."""
    with path.open("r+b") as file:
        if file.seek(0, 2) and file.seek(-1, 2) >= 0 and file.read(1) != b"\n":
            file.write(b"\n")


def _entries(path: Path, needle: bytes = b"") -> Iterator[Entry]:
    """What the file holds in lines with these bytes; a torn line is passed over."""
    with path.open("rb") as file:
        for line in file:
            if needle in line:
                with contextlib.suppress(msgspec.MsgspecError):
                    yield _decoder.decode(line)
