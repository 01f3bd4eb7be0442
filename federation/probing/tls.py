"""A conversation inside TLS 1.2 or 1.3, as bytes in and bytes out."""

import ssl
from collections.abc import Callable, Generator
from functools import lru_cache
from typing import TypeVar

from federation.probing.target import Talk, Target

READ = 16_384
Result = TypeVar("Result")


@lru_cache
def context(verified: bool, protocol: str) -> ssl.SSLContext:
    """What a server must show: a certificate for its name below the system's roots, or any. `protocol` is for ALPN."""
    made = ssl.create_default_context()
    if not verified:
        made.check_hostname, made.verify_mode = False, ssl.CERT_NONE
    made.set_alpn_protocols([protocol])
    return made


def secured(talk: Talk, target: Target) -> Talk:
    """The same conversation inside TLS. The end of the connection is its end, with or without a close_notify."""
    protocol = "h2" if target.probe.kind == "grpcs" else "http/1.1"
    session = _Session(context(target.probe.verify == "system", protocol), target.probe.server_name or target.host)
    yield from session.do(session.shake_hands)
    said = next(talk)
    while True:
        if said:
            session.write(said)
        try:
            data = yield from session.do(session.read)
        except EOFError:
            data = b""
        try:
            said = talk.send(data)
        except StopIteration as end:
            return bool(end.value)


class _Session:
    def __init__(self, made: ssl.SSLContext, name: str) -> None:
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._object = made.wrap_bio(self._incoming, self._outgoing, server_hostname=name)

    def shake_hands(self) -> None:
        """SSLWantReadError until the handshake is done."""
        self._object.do_handshake()

    def write(self, data: bytes) -> None:
        """Put this into what is sent next."""
        self._object.write(data)

    def read(self) -> bytes:
        """What came; b"" after a close_notify."""
        try:
            return self._object.read(READ)
        except ssl.SSLZeroReturnError:
            return b""

    def do(self, what: Callable[[], Result]) -> Generator[bytes, bytes, Result]:
        """Do this, with as many bytes to and fro as it takes. EOFError when the connection ends before."""
        while True:
            try:
                return what()
            except ssl.SSLWantReadError:
                data = yield self._outgoing.read()
            if not data:
                raise EOFError
            self._incoming.write(data)
