"""Join tokens (design section 4): what a joiner is given, and what the registrar keeps of it. Pure but for the folder.

A token is 256 random bits for one name and one use, with what the joiner needs to know the registrar again: the
fingerprint of the federation key, the registrar's name and addresses. The registrar keeps a hash of the secret only.
"""

import base64
import binascii
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

import msgspec
from msgspec import Struct

from federation.files import write_private
from federation.model.errors import InputError, Refused

PREFIX = "isthmus1."
SECRET_BYTES = 32


class Token(Struct, frozen=True, kw_only=True):
    """What is handed to the joiner. `registrars` are the `ip:port` of the registrar's join listener."""

    secret: bytes
    federation: str
    registrar: str
    registrars: tuple[str, ...]
    name: str


class Ticket(Struct, frozen=True, kw_only=True):
    """What the registrar keeps: whom it lets in until when (Unix seconds), and with what; `rejoin` as in `admit`."""

    name: str
    until: int
    zones: tuple[str, ...] = ()
    rejoin: bool = False


def encode_token(token: Token) -> str:
    """The token as text."""
    return PREFIX + base64.urlsafe_b64encode(msgspec.msgpack.encode(token)).decode().rstrip("=")


def decode_token(text: str) -> Token:
    """The token in this text. InputError (E105) when it is none."""
    body = text.strip().removeprefix(PREFIX)
    try:
        if not text.strip().startswith(PREFIX):
            raise ValueError
        token = msgspec.msgpack.decode(base64.b64decode(body + "=" * (-len(body) % 4), b"-_", True), type=Token)
    except (ValueError, binascii.Error, msgspec.MsgspecError):
        raise InputError("--token: is no token of `isthmus token create`; copy it whole", "E105") from None
    if len(token.secret) != SECRET_BYTES or not token.registrars:
        raise InputError("--token: is no token of `isthmus token create`; copy it whole", "E105")
    return token


class Tickets:
    """The registrar's tickets: one file each, named by the hash of its secret, so that taking one is atomic."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, secret: bytes, ticket: Ticket) -> None:
        """Remember this ticket."""
        self._folder.mkdir(mode=0o700, exist_ok=True)
        write_private(self._path(secret), msgspec.json.encode(ticket))

    @contextmanager
    def taken(self, secret: bytes, now: float) -> Iterator[Ticket]:
        """The ticket, used up if the block succeeds and given back if it fails.

        Refused (E105) when there is none, it was used or has run out: an attacker is not told which.
        """
        path = self._path(secret)
        held = path.with_suffix(".taken")
        try:
            path.rename(held)
            ticket = msgspec.json.decode(held.read_bytes(), type=Ticket)
        except (OSError, msgspec.MsgspecError):
            raise Refused("the token is unknown, was used or has run out; ask for another one", "E105") from None
        if ticket.until <= now:
            held.unlink()
            raise Refused("the token is unknown, was used or has run out; ask for another one", "E105")
        try:
            yield ticket
        except BaseException:
            held.rename(path)
            raise
        held.unlink()

    def _path(self, secret: bytes) -> Path:
        return self._folder / f"{sha256(secret).hexdigest()}.json"
