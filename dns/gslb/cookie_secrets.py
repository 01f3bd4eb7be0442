"""The secrets of DNS cookies: a file that all servers of a zone share, or one made at each start."""

from __future__ import annotations

import secrets
from pathlib import Path

from federation.files import Stamp, check_private, stamp_of
from federation.model.errors import InputError
from gslb.cookies import SECRET

MOST = 2
"""The one that makes cookies, and the one of before or of next (RFC 9018 section 5)."""

FORM = f"lines of {2 * SECRET} hexadecimal digits, {MOST} at most: the first makes cookies, both are believed"


class CookieSecrets:
    """`now` are those in force: read again when the file changes; of one that went bad the last good ones stay."""

    def __init__(self, path: Path | None) -> None:
        """Without a file: one that nobody else has. InputError."""
        self._path = path
        self._stamp: Stamp = ()
        self.now: tuple[bytes, ...] = (secrets.token_bytes(SECRET),)
        self.problems: tuple[str, ...] = ()
        if path is not None:
            self.now, self._stamp = read_secrets(path), stamp_of(path)

    def look(self) -> tuple[bytes, ...]:
        """The very same tuple while nothing changed."""
        if self._path is None:
            return self.now
        try:
            stamp = stamp_of(self._path)
            if stamp != self._stamp:
                self.now, self._stamp = read_secrets(self._path), stamp
            self.problems = ()
        except InputError as error:
            self.problems = (f"{error.code} {error.text}; the secrets stay as they are",)
        except OSError as error:
            self.problems = (f"E122 {self._path}: {error.strerror}; the secrets stay as they are",)
        return self.now


def read_secrets(path: Path) -> tuple[bytes, ...]:
    """The secrets in this file. InputError when it holds something else, or others may read it (E122)."""
    try:
        mode, text = path.stat().st_mode, path.read_text(encoding="ascii")
    except OSError as error:
        raise InputError(f"--cookie-secrets {path}: {error.strerror}", "E122") from None
    except UnicodeDecodeError:
        raise InputError(f"--cookie-secrets {path}: {FORM}", "E125") from None
    check_private(mode, path)
    try:
        found = tuple(bytes.fromhex(line) for line in text.split())
    except ValueError:
        found = ()
    if not 1 <= len(found) <= MOST or any(len(one) != SECRET for one in found):
        raise InputError(f"--cookie-secrets {path}: {FORM}", "E125")
    return found
