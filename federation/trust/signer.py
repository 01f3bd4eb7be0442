"""The signer process: the only holder of the anchor's key. A request in, a leaf or a refusal out.

Checked inside: proof of possession, the trust domain, the form of the identity and of the certificate. Who may ask
for which identity is the controller's to say (`policy.py`): whoever acts as the controller's user gets any identity
of this member, and of no other.

It listens on a unix socket that only its own user may open. A frame is a 4-byte length and that many bytes; the
answer's first byte is 0 for a leaf (PEM) and 1 for a refusal (text).
"""

import asyncio
import contextlib
import logging
from datetime import UTC, datetime
from pathlib import Path

from prometheus_client import Counter

from federation.model.errors import InputError, Refused, Unavailable
from federation.process import answers
from federation.trust.issue import sign_leaf

log = logging.getLogger("signer")
FRAME_MAX = 64 * 1024
signed_total = Counter("isthmus_signer_requests_total", "Signing requests by outcome", ["outcome"])


class Signer:
    """Serves signing requests for one trust domain."""

    def __init__(self, key_pem: str, anchor_pem: str, trust_domain: str) -> None:
        self._key_pem = key_pem
        self._anchor_pem = anchor_pem
        self._trust_domain = trust_domain
        self.listening = asyncio.Event()

    def answer(self, request: bytes) -> bytes:
        """The answer frame for one request frame."""
        try:
            leaf = sign_leaf(self._key_pem, self._anchor_pem, request, self._trust_domain, datetime.now(UTC))
        except Refused as error:
            signed_total.labels("refused").inc()
            log.warning("refused", extra={"code": error.code, "reason": error.text})
            return b"\x01" + str(error.text).encode()
        signed_total.labels("signed").inc()
        return b"\x00" + leaf.encode()

    async def serve(self, socket: Path) -> None:
        """Listen on this unix socket until cancelled. InputError when another signer answers there."""
        if await answers(socket):
            raise InputError(f"{socket}: another signer is running on this state folder; stop it first", "E122")
        socket.unlink(missing_ok=True)
        server = await asyncio.start_unix_server(self._connection, socket)
        socket.chmod(0o600)
        self.listening.set()
        async with server:
            await server.serve_forever()

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                writer.write(_frame(self.answer(await _read_frame(reader))))
                await writer.drain()
        writer.close()


async def ask_signer(socket: Path, request: bytes) -> str:
    """The leaf (PEM) that the signer gives for this DER request. Refused (E105), or Unavailable when it is not
    there.
    """
    try:
        reader, writer = await asyncio.open_unix_connection(socket)
    except OSError as error:
        raise Unavailable(f"signer at {socket} does not answer ({error.strerror}): start `isthmus signer`") from None
    try:
        async with asyncio.timeout(5):
            writer.write(_frame(request))
            answer = await _read_frame(reader)
    except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
        raise Unavailable(f"signer at {socket} broke off: {type(error).__name__}") from None
    finally:
        writer.close()
    if answer[:1] != b"\x00":
        raise Refused(answer[1:].decode(errors="replace"), "E105")
    return answer[1:].decode()


def _frame(data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + data


async def _read_frame(reader: asyncio.StreamReader) -> bytes:
    size = int.from_bytes(await reader.readexactly(4), "big")
    if size > FRAME_MAX:
        raise ConnectionError(f"frame of {size} bytes, limit {FRAME_MAX}")
    return await reader.readexactly(size)
