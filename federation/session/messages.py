"""What two ends of a session say to each other; encoded with MessagePack, one message a frame."""

import msgspec
from msgspec import Struct

from federation.model.errors import Refused

VERSION_MIN, VERSION = 1, 1
"""The oldest and the newest version of the session that this build speaks."""


class Hello(Struct, frozen=True, tag="hello"):
    """First on every stream: who speaks, the versions it can speak, and what it holds of the other's topics."""

    node: str
    version_min: int
    version_max: int
    have: dict[str, bytes]


class Update(Struct, frozen=True, tag="update", kw_only=True):
    """Part of a step of one topic from the content with root `base` (None: from nothing) to that with root `root`.

    `head` says what the root means (a signed record head, a handout revision); the step is complete at `last`.
    """

    topic: str
    base: bytes | None
    root: bytes
    head: bytes
    changed: dict[str, bytes]
    removed: tuple[str, ...] = ()
    last: bool = True


class Ack(Struct, frozen=True, tag="ack"):
    """The receiver now holds `root` of this topic. `code` and `text` are set when it refused the step."""

    topic: str
    root: bytes | None
    code: str = ""
    text: str = ""


class Digest(Struct, frozen=True, tag="digest"):
    """Sent at a fixed period whatever changed: the roots that the sender offers. Also proves that it lives."""

    offers: dict[str, bytes]


Message = Hello | Update | Ack | Digest

_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[Message] = msgspec.msgpack.Decoder(Message)


def encode(message: Message) -> bytes:
    """The bytes of one message."""
    return _encoder.encode(message)


def decode(data: bytes) -> Message:
    """The message in these bytes; Refused (E120) when they are none. Unknown fields are ignored."""
    try:
        return _decoder.decode(data)
    except msgspec.MsgspecError as error:
        raise Refused(f"undecodable session message ({len(data)} bytes): {error}", "E120") from None
