"""The signer process: the only holder of the keys of the anchor and of JWT-SVIDs. A request in, a leaf, a token or a
refusal out.

Checked inside: proof of possession, the trust domain, the form of the identity and of the certificate. Who may ask
for which identity is the controller's to say (`policy.py`): whoever acts as the controller's user gets any identity
of this member, and of no other.

It listens on a unix socket that only its own user may open, or also one group. A frame is a 4-byte length and that
many bytes; the answer's first byte is 0 for what was asked and 1 for a refusal (text). What is asked: a leaf (PEM) by
a PKCS #10 request in DER, whose first byte is 0x30; by TOKEN and a `TokenRequest` a JWT-SVID; by KEYS alone the
anchor's statement of the keys that sign these (`link/statement.py`); by COMMAND and a `Command` about the rotation of
the anchor the `Held` anchors.
"""

import asyncio
import contextlib
import logging
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct, structs
from prometheus_client import Counter

from federation.link.statement import make_statement
from federation.model.errors import InputError, Refused, Unavailable
from federation.model.record import Signed
from federation.model.spiffe import SpiffeId, parse_spiffe
from federation.model.tokens import Authorities, TokenRequest
from federation.process import answers
from federation.trust.authorities import AuthorityKeys
from federation.trust.issue import sign_leaf
from federation.trust.slots import Slots

log = logging.getLogger("signer")
FRAME_MAX = 64 * 1024
TOKEN, KEYS, COMMAND = b"T", b"K", b"r"
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

    def __init__(self, slots: Slots, jwt_keys: Path) -> None:
        """`jwt_keys` is the file of the JWT-SVIDs' keys, made when absent. InputError when it cannot be read."""
        self._slots = slots
        self._authorities = AuthorityKeys(jwt_keys, slots.trust_domain)
        self._statement: tuple[tuple[Authorities, str], Signed] | None = None
        self.listening = asyncio.Event()

    def answer(self, request: bytes) -> bytes:
        """The answer frame for one request frame."""
        try:
            if request[:1] == COMMAND:
                return b"\x00" + self._rotate(request[1:])
            made = self._make(request, datetime.now(UTC))
        except Refused as error:
            signed_total.labels("refused").inc()
            log.warning("refused", extra={"code": error.code, "reason": error.text})
            return b"\x01" + str(error.text).encode()
        except OSError as error:
            signed_total.labels("failed").inc()
            log.error("JWT keys could not be kept on disk", extra={"error": str(error)})
            return b"\x01" + f"the signer's disk: {error.strerror}".encode()
        signed_total.labels("signed").inc()
        return b"\x00" + made

    def _make(self, request: bytes, now: datetime) -> bytes:
        if request == KEYS:
            return msgspec.msgpack.encode(self._stated(int(now.timestamp())))
        if request.startswith(TOKEN):
            return self._authorities.sign(_token_request(request[1:]), int(now.timestamp())).encode()
        slot = self._slots.signing
        return sign_leaf(slot.key, slot.anchor, request, self._slots.trust_domain, now).encode()

    def _stated(self, now: int) -> Signed:
        """The statement of what is published; signed once, for each signature of the same is another (ECDSA)."""
        published = self._authorities.published(now)
        made_of = (published, self._slots.signing.key)
        if self._statement is None or self._statement[0] != made_of:
            self._statement = made_of, make_statement(*made_of)
        return self._statement[1]

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

    async def serve(self, socket: Path, group: int | None = None) -> None:
        """Listen on this unix socket until cancelled, for our own user and, if given, this group. InputError when
        another signer answers there, or when we are not of the group.
        """
        if await answers(socket):
            raise InputError(f"{socket}: another signer is running on this state folder; stop it first", "E122")
        socket.unlink(missing_ok=True)
        server = await asyncio.start_unix_server(self._connection, socket)
        if group is not None:
            _give(socket, group)
        socket.chmod(0o600 if group is None else 0o660)
        self.listening.set()
        async with server:
            await server.serve_forever()

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                writer.write(_frame(self.answer(await _read_frame(reader))))
                await writer.drain()
        writer.close()


def _give(socket: Path, group: int) -> None:
    try:
        os.chown(socket, -1, group)
    except OSError as error:
        raise InputError(f"{socket}: cannot be given to group {group}: {error.strerror}", "E122") from None


async def ask_signer(socket: Path, request: bytes) -> str:
    """The leaf (PEM) that the signer gives for this DER request, or the JWT-SVID for one behind TOKEN. Refused (E105),
    or Unavailable when it is not there.
    """
    return (await _ask(socket, request)).decode()


async def ask_statement(socket: Path) -> Signed:
    """The anchor's statement of the keys that sign JWT-SVIDs now and soon. Unavailable when the signer is not there."""
    return msgspec.msgpack.decode(await _ask(socket, KEYS), type=Signed)


async def command_signer(socket: Path, command: Command) -> Held:
    """The anchors that the signer holds after this. Refused, or Unavailable when it is not there."""
    return msgspec.msgpack.decode(await _ask(socket, COMMAND + msgspec.msgpack.encode(command)), type=Held)


async def _ask(socket: Path, request: bytes) -> bytes:
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


def requested_subject(request: bytes) -> SpiffeId:
    """The identity that this token request is for. Refused (E105)."""
    try:
        return parse_spiffe(_token_request(request).identity)
    except InputError as error:
        raise Refused(f"token request: {error.text}", "E105") from None


def _token_request(request: bytes) -> TokenRequest:
    try:
        return msgspec.msgpack.decode(request, type=TokenRequest)
    except msgspec.MsgspecError as error:
        raise Refused(f"token request cannot be read: {error}", "E105") from None


def _frame(data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + data


async def _read_frame(reader: asyncio.StreamReader) -> bytes:
    size = int.from_bytes(await reader.readexactly(4), "big")
    if size > FRAME_MAX:
        raise ConnectionError(f"frame of {size} bytes, limit {FRAME_MAX}")
    return await reader.readexactly(size)
