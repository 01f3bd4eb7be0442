"""How a datagram of WireGuard's travels through a third member: a frame, as UDP inside the tunnels. Pure.

It names the gateway at the far side by its member's admission number and its id, in the one direction where it shall
go, in the other whence it came. The near side is known by the tunnel: nobody says who he is.
"""

from struct import Struct as Layout
from typing import Literal

from msgspec import Struct

Kind = Literal[1, 2]
TO: Kind = 1
FROM: Kind = 2
"""To the carrier: carry this there. From the carrier: that came from there."""

HEADER = Layout("!BBHI")
VERSION = 1
LEAST, MESSAGES = 32, frozenset((1, 2, 3, 4))
"""Bytes of the smallest message of WireGuard (an empty packet), and their types (whitepaper 5.4)."""


class Frame(Struct, frozen=True):
    """A datagram, and where it goes or whence it came."""

    kind: Kind
    number: int
    gateway: int
    datagram: bytes


def packed(frame: Frame) -> bytes:
    """The frame as bytes."""
    return HEADER.pack(VERSION, frame.kind, frame.gateway, frame.number) + frame.datagram


def unpacked(data: bytes) -> Frame | None:
    """The frame in these bytes; None for anything else, and for one that carries no message of WireGuard's."""
    if len(data) < HEADER.size:
        return None
    version, kind, gateway, number = HEADER.unpack_from(data)
    datagram = data[HEADER.size :]
    if version != VERSION or kind not in (TO, FROM) or not is_message(datagram):
        return None
    return Frame(TO if kind == TO else FROM, number, gateway, datagram)


def is_message(datagram: bytes) -> bool:
    """True for what has the form of WireGuard's messages: nothing else is carried."""
    return len(datagram) >= LEAST and datagram[0] in MESSAGES and not any(datagram[1:4])
