"""Which member one client of a public name gets: a keyed hash of who asks against the shares. Pure.

SipHash-2-4 (Aumasson, Bernstein 2012) with a 64-bit result: every DNS server of a federation picks the same member for
the same client, in any language. The key follows from the federation's domain and is no secret: it only makes
federations differ.
"""

from collections.abc import Iterable
from hashlib import sha256
from ipaddress import ip_address, ip_network
from typing import Protocol, TypeVar

from federation.law.room import PPM

_MASK = (1 << 64) - 1
KEY_LABEL = b"isthmus pick "


def pick_key(domain: str) -> bytes:
    """The 16-byte key of a federation: the first half of SHA-256 of a label and its domain."""
    return sha256(KEY_LABEL + domain.encode()).digest()[:16]


class Weighed(Protocol):
    """Something that gets its part of all clients, in parts per million."""

    @property
    def ppm(self) -> int:
        """The part."""


One = TypeVar("One", bound=Weighed)


def bucket_of(key: bytes, host: str, address: str, bits: int) -> int:
    """Where the client prefix of `bits` around `address` falls for this name: one of a million buckets."""
    return siphash(key, host.encode() + b"\0" + _prefix(address, bits)) * PPM >> 64


def pick(parts: Iterable[One], bucket: int) -> One | None:
    """The part that this bucket falls into; None when there are none."""
    for part in parts:
        bucket -= part.ppm
        if bucket < 0:
            return part
    return None


def _prefix(address: str, bits: int) -> bytes:
    version = ip_address(address).version
    network = ip_network(f"{address}/{bits}", strict=False)
    return bytes([version, bits]) + network.network_address.packed


def siphash(key: bytes, data: bytes) -> int:
    """SipHash-2-4 of `data` under a 16-byte key, as an unsigned 64-bit number."""
    k0, k1 = int.from_bytes(key[:8], "little"), int.from_bytes(key[8:16], "little")
    state = (k0 ^ 0x736F6D6570736575, k1 ^ 0x646F72616E646F6D, k0 ^ 0x6C7967656E657261, k1 ^ 0x7465646279746573)
    tail = data[len(data) - len(data) % 8 :]
    last = int.from_bytes(tail, "little") | (len(data) & 0xFF) << 56
    words = [int.from_bytes(data[at : at + 8], "little") for at in range(0, len(data) - len(tail), 8)]
    for word in (*words, last):
        v0, v1, v2, v3 = state
        v0, v1, v2, v3 = _round(*_round(v0, v1, v2, v3 ^ word))
        state = (v0 ^ word, v1, v2, v3)
    v0, v1, v2, v3 = state
    v2 ^= 0xFF
    for _ in range(4):
        v0, v1, v2, v3 = _round(v0, v1, v2, v3)
    return v0 ^ v1 ^ v2 ^ v3


def _round(v0: int, v1: int, v2: int, v3: int) -> tuple[int, int, int, int]:
    v0 = (v0 + v1) & _MASK
    v1 = _rotated(v1, 13) ^ v0
    v0 = _rotated(v0, 32)
    v2 = (v2 + v3) & _MASK
    v3 = _rotated(v3, 16) ^ v2
    v0 = (v0 + v3) & _MASK
    v3 = _rotated(v3, 21) ^ v0
    v2 = (v2 + v1) & _MASK
    v1 = _rotated(v1, 17) ^ v2
    return v0, v1, _rotated(v2, 32), v3


def _rotated(value: int, bits: int) -> int:
    return (value << bits | value >> (64 - bits)) & _MASK
