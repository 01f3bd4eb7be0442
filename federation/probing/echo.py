"""Echo messages of ICMP (RFC 792) and ICMPv6 (RFC 4443 section 4). Pure."""

import struct

REQUEST4, REPLY4 = 8, 0
REQUEST6, REPLY6 = 128, 129
HEADER = struct.Struct("!BBHHH")
"""Type, code, checksum, identifier, sequence number."""


def request4(mark: int, sequence: int, data: bytes) -> bytes:
    """A request over IPv4 with its checksum."""
    bare = HEADER.pack(REQUEST4, 0, 0, mark, sequence) + data
    return HEADER.pack(REQUEST4, 0, checksum(bare), mark, sequence) + data


def request6(mark: int, sequence: int, data: bytes = b"") -> bytes:
    """A request over IPv6; its checksum is the kernel's."""
    return HEADER.pack(REQUEST6, 0, 0, mark, sequence) + data


def reply_of(packet: bytes, version: int) -> tuple[int, bytes] | None:
    """The sequence number and data of a reply; None for anything else. Raw sockets give IPv4 its header too."""
    if version == 4 and packet[:1] and packet[0] >> 4 == 4:
        packet = packet[(packet[0] & 15) * 4 :]
    if len(packet) < HEADER.size:
        return None
    kind, code, _, _, sequence = HEADER.unpack_from(packet)
    wanted = REPLY4 if version == 4 else REPLY6
    return (sequence, packet[HEADER.size :]) if (kind, code) == (wanted, 0) else None


def checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071)."""
    padded = data + b"\0" * (len(data) % 2)
    total: int = sum(struct.unpack(f"!{len(padded) // 2}H", padded))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
