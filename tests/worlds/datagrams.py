"""Datagrams to a DNS server: built by the grammar of queries so that they reach every room of an answer, or broken."""

from __future__ import annotations

import random
import struct
from collections.abc import Sequence

from gslb.compiled import wire_of

KINDS = (
    1,
    1,
    1,
    28,
    28,
    2,
    5,
    6,
    12,
    15,
    16,
    17,
    18,
    29,
    33,
    35,
    36,
    39,
    43,
    64,
    65,
    255,
    255,
    257,
    999,
    0,
    41,
    251,
    252,
    65_401,
)
FLAGS = (0, 0x0100, 0x0110, 0x0010, 0x0120, 0x0200, 0x0400, 0x7F0, 0x000F)
PAYLOADS = (0, 511, 512, 600, 800, 1232, 4096, 65_535)
LABELS = ("a", "x", "www", "ns1", "*", "_tcp", "_sip", "deep", "host1", "kid", "zz-9", "a" * 63, "q\\.", "\x01", "B")
LONG = ("l" * 63, "l" * 40)
ADDRESSES = ("198.18.1.7", "198.18.1.200", "198.18.2.2", "198.18.3.9", "203.0.113.200", "2001:db8:ff2::5", "2001:db8::1", "::ffff:198.18.3.1", "10.1.2.3", "10.1.2.200", "10.3.1.1", "10.5.0.9", "2001:db8:b::9")  # fmt: skip


class Grammar:
    """Draws datagrams about these names; the same seed draws the same ones."""

    def __init__(self, names: Sequence[str], cookies: Sequence[bytes], seed: int) -> None:
        self._names = [wire_of(name) for name in names]
        self._cookies = cookies
        self._rng = random.Random(seed)

    def draw(self) -> tuple[bytes, str]:
        """A datagram and who sends it; three of ten are broken."""
        rng = self._rng
        data = self._query()
        if rng.random() < 0.3:
            data = self._broken(data)
        return data, rng.choice(ADDRESSES)

    def _query(self) -> bytes:
        rng = self._rng
        head = rng.randbytes(2) + struct.pack("!H", rng.choice(FLAGS))
        rdclass = 1 if rng.random() < 0.97 else rng.choice((3, 4, 255))
        question = self._name() + struct.pack("!2H", rng.choice(KINDS), rdclass)
        opts = [self._opt() for _ in range(rng.choices((0, 1, 2), (30, 68, 2))[0])]
        before = self._before() if rng.random() < 0.02 else b""
        if rng.random() < 0.01:
            question = b""
        counts = struct.pack("!4H", bool(question), bool(before), 0, len(opts))
        return head + counts + question + before + b"".join(opts)

    def _before(self) -> bytes:
        """A record of the answer section: TXT, or an OPT record where none may be."""
        return self._opt() if self._rng.random() < 0.2 else b"\0" + struct.pack("!HHIH", 16, 1, 0, 2) + b"\1x"

    def _name(self) -> bytes:
        """In any case; one of a hundred may be too long."""
        rng = self._rng
        name = rng.choice(self._names)
        most = 255 if rng.random() < 0.99 else 600
        for _ in range(rng.choice((0, 0, 0, 0, 1, 1, 2, 5))):
            label = rng.choice(LABELS if most == 255 else LONG).encode()
            if len(name) + 1 + len(label) <= most:
                name = bytes((len(label),)) + label + name
        if rng.random() < 0.1 and len(name) > 1:
            name = name[1 + name[0] :]
        return bytes(one ^ 0x20 if 64 < one & 0xDF < 91 and rng.random() < 0.3 else one for one in name)

    def _opt(self) -> bytes:
        rng = self._rng
        options = b"".join(self._option() for _ in range(rng.choice((0, 0, 1, 1, 1, 2))))
        payload = rng.choice(PAYLOADS) if rng.random() < 0.4 else rng.randrange(500, 1_240)
        version = 0 if rng.random() < 0.97 else 1
        ttl = version << 16 | rng.choice((0, 0x8000, 0x4000))
        owner = b"\0" if rng.random() < 0.99 else b"\1o\0"
        return owner + struct.pack("!HHIH", 41, payload, ttl, len(options)) + options

    def _option(self) -> bytes:
        rng = self._rng
        draw = rng.random()
        if draw < 0.6:
            code, data = 8, self._subnet()
        elif draw < 0.85:
            code, data = 10, rng.choice(self._cookies) if rng.random() < 0.9 else rng.randbytes(rng.randrange(45))
        else:
            code, data = rng.choice(
                ((3, b""), (19, b""), (11, b""), (65_001, b"x"), (12, bytes(20)), (3, b"x"), (19, b"x"))
            )
        return struct.pack("!2H", code, len(data)) + data

    def _subnet(self) -> bytes:
        rng = self._rng
        family, bits = rng.choice(((1, 32), (1, 32), (2, 128)))
        source = rng.choice((0, 8, 16, 20, 23, 24, 25, 32, 48, 56, 64, 128))
        source = min(source, bits)
        text = rng.choice((b"\xc6\x12\x01\x07", b"\xc6\x12\x03\x09", b"\xcb\0\x71\xff", b"\x0a\x01\x02\x09", b"\x0a\x01\x02\xc8", b"\x0a\x05\0\x01")) if family == 1 else bytes.fromhex("20010db80ff20001ffffffffffffffff")  # fmt: skip
        size = (source + 7) // 8
        data = bytearray(text[:size])
        if source % 8:
            data[-1] &= 0xFF00 >> source % 8 & 0xFF
        family = rng.choice((0, 3)) if rng.random() < 0.02 else family
        option = struct.pack("!HBB", family, source, rng.random() < 0.02) + bytes(data)
        return option[: rng.randrange(len(option))] if rng.random() < 0.02 else option

    def _broken(self, data: bytes) -> bytes:
        rng = self._rng
        broken = bytearray(data)
        for _ in range(rng.choice((1, 1, 2, 4))):
            at = rng.randrange(2, len(broken))
            broken[at] = rng.choice((rng.randrange(256), broken[at] ^ 1 << rng.randrange(8)))
        how = rng.random()
        if how < 0.2:
            return bytes(broken[: rng.randrange(len(broken) + 1)])
        return bytes(broken) + rng.randbytes(rng.randrange(12)) if how < 0.3 else bytes(broken)
