"""Preshared keys of pairs of members: a folder with a file for each, as `wg genpsk` writes it (wg(8)).

They are what keeps recorded traffic closed to whoever breaks Curve25519 one day (whitepaper section 5.2), so they come
by another way than everything else: no controller and no record ever has them.
"""

import base64
import binascii
import os
import secrets
from pathlib import Path

from federation.files import check_private, write_private
from federation.link.enrolled import load_enrolled
from federation.model.errors import InputError
from federation.model.names import is_label
from gateways.folder import preshared_folder
from gateways.state import NO_PRESHARED, Preshared

KEY_BYTES = 32

Stamp = tuple[tuple[str, int, int, int, int], ...]
"""Of each file its name, inode, mode, size and time of change (ns)."""


class PresharedFolder:
    """Read again when a file of it changed. Of a file that went bad the last good key stays; a folder that was never
    there is an empty one.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stamp: Stamp = ()
        self._unread = ""
        self._found = NO_PRESHARED

    @property
    def problems(self) -> tuple[str, ...]:
        """One line for each file that is no key, and for a folder that cannot be read."""
        unread = (self._unread,) if self._unread else ()
        return (*unread, *(text for _, text in sorted(self._found.faults.items())))

    def look(self) -> Preshared:
        """The keys of now: the same object while nothing changed."""
        try:
            stamp = _stamp(self._folder)
            self._unread = ""
        except OSError as error:
            if self._stamp or not isinstance(error, FileNotFoundError):
                self._unread = f"E122 {self._folder}: {error.strerror}; the preshared keys stay as they are"
            return self._found
        if stamp != self._stamp:
            self._stamp = stamp
            self._found = self._read([name for name, *_ in stamp])
        return self._found

    def _read(self, names: list[str]) -> Preshared:
        keys: dict[str, bytes] = {}
        faults: dict[str, str] = {}
        for name in names:
            try:
                keys[name] = read_key(self._folder / name)
            except InputError as error:
                if name in self._found.keys:
                    keys[name] = self._found.keys[name]
                faults[name] = f"E122 {error.text}"
        return Preshared(keys, faults)


def read_key(path: Path) -> bytes:
    """The key in this file. InputError when it is none, or others may read it."""
    try:
        mode, text = path.stat().st_mode, path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}", "E122") from None
    check_private(mode, path)
    return parse_key(text, str(path))


def parse_key(text: bytes, where: str) -> bytes:
    """The raw key. InputError when it is none."""
    try:
        key = base64.b64decode(text.strip(), validate=True)
    except binascii.Error:
        key = b""
    if len(key) != KEY_BYTES or not any(key):
        what = f"a preshared key is {KEY_BYTES} bytes in base64, not all zero"
        raise InputError(f"{where}: {what}; make one with `wg genpsk`", "E122")
    return key


def give(state: Path, member: str, text: bytes | None) -> str:
    """Keep this key for the links of the gateway of this folder to this member, or a new one; in base64. InputError
    when it is none, or there can be no such link.
    """
    folder = _folder(state, member)
    key = secrets.token_bytes(KEY_BYTES) if text is None else parse_key(text, "--file")
    written = base64.b64encode(key).decode()
    folder.mkdir(mode=0o700, exist_ok=True)
    write_private(folder / member, f"{written}\n".encode())
    return written


def take_away(state: Path, member: str) -> bool:
    """Do without one; False when there was none."""
    try:
        (_folder(state, member) / member).unlink()
    except FileNotFoundError:
        return False
    return True


def _folder(state: Path, member: str) -> Path:
    enrolled = load_enrolled(state)
    if enrolled.role != "gateway":
        raise InputError(f"{state}: is enrolled as {enrolled.role}; give a gateway's folder", "E122")
    if not is_label(member) or member == enrolled.member:
        what = "is the gateway's own member" if member == enrolled.member else "is not a member's name"
        raise InputError(f'MEMBER "{member}": {what}; name the other end', "E104")
    return preshared_folder(state)


def _stamp(folder: Path) -> Stamp:
    """Of the files with names of members; what a Secret's mount adds begins with a point."""
    with os.scandir(folder) as entries:
        found = [(entry.name, entry.stat()) for entry in entries if is_label(entry.name)]
    return tuple(sorted((name, one.st_ino, one.st_mode, one.st_size, one.st_mtime_ns) for name, one in found))
