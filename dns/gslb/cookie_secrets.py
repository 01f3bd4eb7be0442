"""The secrets of DNS cookies: a file that all servers of a zone share, or one made at each start."""

from __future__ import annotations

import secrets
from pathlib import Path

from federation.files import check_private
from federation.model.errors import InputError
from gslb.cookies import SECRET
from gslb.followed import Followed

MOST = 2
"""The one that makes cookies, and the one of before or of next (RFC 9018 section 5)."""

FORM = f"lines of {2 * SECRET} hexadecimal digits, {MOST} at most: the first makes cookies, both are believed"


class CookieSecrets:
    """Those in force: read again when the file changes; of one that went bad the last good ones stay."""

    def __init__(self, path: Path | None) -> None:
        """Without a file: one that nobody else has. InputError."""
        self._made = (secrets.token_bytes(SECRET),)
        self._file = None if path is None else Followed(path, read_secrets, "--cookie-secrets")

    @property
    def problems(self) -> tuple[str, ...]:
        """What keeps them from being what the file says."""
        return self._file.problems if self._file else ()

    def look(self) -> tuple[bytes, ...]:
        """The very same tuple while nothing changed."""
        return self._file.look() if self._file else self._made


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
