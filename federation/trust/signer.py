"""The signer process: the only holder of the anchor's key. A request in, a leaf or a refusal out.

Checked inside: proof of possession, the trust domain, the form of the identity and of the certificate. Who may ask
for which identity is the controller's to say (`policy.py`): whoever acts as the controller's user gets any identity
of this member, and of no other.

It listens on a unix socket that only its own user may open. A frame is a 4-byte length and that many bytes: a DER
request, or `r` and a `Command` about the rotation of the anchor. The answer's first byte is 0 for a leaf (PEM) or the
`Held` anchors, and 1 for a refusal (text).
"""

import asyncio
import contextlib
import logging
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct, structs
from prometheus_client import Counter

from federation.model.errors import InputError, Refused, Unavailable
from federation.process import answers
from federation.trust.issue import sign_leaf
from federation.trust.slots import Slots

log = logging.getLogger("signer")
FRAME_MAX = 64 * 1024
COMMAND = b"r"
signed_total = Counter("isthmus_signer_requests_total", "Signing requests by outcome", ["outcome"])


class Command(Struct, frozen=True, kw_only=True):
    """What to do with the anchors. `anchor` is the new one for `activate` and `finish`; both the wish to `prove`."""

    do: Literal["tell", "prepare", "activate", "abort", "finish", "prove"]
    anchor: str = ""
    next_anchor: str = ""


class Held(Struct, frozen=True, kw_only=True):
    """The anchors (PEM) that the signer holds; `active` when it signs with the next one. The proofs answer `prove`."""

    anchor: str
    next_anchor: str = ""
    active: bool = False
    by_anchor: bytes = b""
    by_next: bytes = b""


class Signer:
    """Serves signing requests for one trust domain."""

    def __init__(self, slots: Slots) -> None:
        self._slots = slots
        self.listening = asyncio.Event()

    def answer(self, request: bytes) -> bytes:
        """The answer frame for one request frame."""
        try:
            if request[:1] == COMMAND:
                return b"\x00" + self._rotate(request[1:])
            slot = self._slots.signing
            leaf = sign_leaf(slot.key, slot.anchor, request, self._slots.trust_domain, datetime.now(UTC))
        except Refused as error:
            signed_total.labels("refused").inc()
            log.warning("refused", extra={"code": error.code, "reason": error.text})
            return b"\x01" + str(error.text).encode()
        signed_total.labels("signed").inc()
        return b"\x00" + leaf.encode()

    def _rotate(self, body: bytes) -> bytes:
        try:
            command = msgspec.msgpack.decode(body, type=Command)
            by_anchor, by_next = self._carry_out(command)
        except msgspec.MsgspecError as error:
            raise Refused(f"command cannot be read: {error}", "E120") from None
        except OSError as error:
            raise Refused(f"the anchor's folder cannot be written: {error.strerror}", "E125") from None
        if command.do not in ("tell", "prove"):
            log.info("anchors", extra={"done": command.do})
        held = self._slots.next
        told = Held(anchor=self._slots.first.anchor, by_anchor=by_anchor, by_next=by_next)
        if held is not None:
            told = structs.replace(told, next_anchor=held.slot.anchor, active=held.active)
        return msgspec.msgpack.encode(told)

    def _carry_out(self, command: Command) -> tuple[bytes, bytes]:
        match command.do:
            case "prepare":
                self._slots.prepare(datetime.now(UTC))
            case "activate":
                self._slots.activate(command.anchor)
            case "abort":
                self._slots.abort()
            case "finish":
                self._slots.finish(command.anchor)
            case "prove":
                return self._slots.prove(command.anchor, command.next_anchor)
        return b"", b""

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
    return (await _asked(socket, request)).decode()


async def command_signer(socket: Path, command: Command) -> Held:
    """The anchors that the signer holds after this. Refused, or Unavailable when it is not there."""
    return msgspec.msgpack.decode(await _asked(socket, COMMAND + msgspec.msgpack.encode(command)), type=Held)


async def _asked(socket: Path, request: bytes) -> bytes:
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
    return answer[1:]


def _frame(data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + data


async def _read_frame(reader: asyncio.StreamReader) -> bytes:
    size = int.from_bytes(await reader.readexactly(4), "big")
    if size > FRAME_MAX:
        raise ConnectionError(f"frame of {size} bytes, limit {FRAME_MAX}")
    return await reader.readexactly(size)
