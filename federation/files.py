"""Files: replaced whole or not at all, or appended to, readable by nobody else, read again when they changed."""

import os
from pathlib import Path

from federation.model.errors import InputError

Stamp = tuple[int, ...]
"""What a file's inode says: another after each change of it."""

SIZE = 2
"""Where in a stamp the bytes of the file stand."""


def write_private(path: Path, data: bytes) -> None:
    """Replace a file atomically and durably, readable by its owner only. OSError leaves the old one in place."""
    temporary = path.with_name(path.name + ".new")
    _write(temporary, data, os.O_TRUNC)
    temporary.replace(path)


def append_private(path: Path, data: bytes) -> None:
    """Put this behind what a file holds, durably, readable by its owner only. OSError may leave a part of it there."""
    _write(path, data, os.O_APPEND)


def _write(path: Path, data: bytes, how: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | how, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def check_private(mode: int, path: Path, named: str = "") -> None:
    """InputError (E122) for the mode of a file that others may read; `named` is how it was given."""
    if mode & 0o077:
        who, octal = named or path, f"{mode & 0o777:04o}"
        raise InputError(f"{who} has mode {octal}: must be 0600, run `chmod 600 {path}`", "E122")


def stamp_of(path: Path) -> Stamp:
    """The stamp of this file. OSError."""
    found = path.stat()
    return found.st_ino, found.st_mode, found.st_size, found.st_mtime_ns, found.st_ctime_ns
