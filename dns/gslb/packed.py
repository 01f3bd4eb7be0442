"""Answers kept as bytes, so that what was asked before is answered without being worked out: the hot path in Python.

A question is known by its bytes, but for the id, the case of its name and the bits that are copied; a steered one also
by where its client stands. Whatever is not plainly a question of the usual form goes the whole way (`wire.py`).
"""

from collections.abc import Callable
from ipaddress import ip_network

from msgspec import Struct

from gslb.client import SCOPE, Client, client_of, version_of
from gslb.query import HEADER
from gslb.steer import Standpoint, Steering
from gslb.wire import Reply

KEPT = 65_536
"""Answers that are kept, and places of clients; a full house is cleared."""

VARIANTS = 8
"""Orders in which an answer of several records is kept; they take turns."""

ONE_QUESTION = b"\0\1\0\0\0\0\0"
"""The counts of a query, but for the last byte: with or without EDNS."""

OPT = b"\0\0\x29"
PLAIN, EDNS = 4, 15
"""Bytes behind the name: type and class, and an OPT record without options."""

Whole = Callable[[bytes, Client, int], Reply | None]
"""Works an answer out, from the query, the client and the Unix millisecond."""


class _Kept(Struct):
    flags: int
    code: int
    counts: bytes
    tails: list[bytes]
    until: int
    reply: Reply
    variants: int
    turn: int = 0

    def serves(self, now: int) -> bool:
        """False while another order of it is wanted, and when its time is over."""
        return len(self.tails) >= self.variants and not (self.until and now >= self.until)


class Packed:
    """The answers of one steering. Another is made for another."""

    def __init__(self, steering: Steering, whole: Whole) -> None:
        self.steering = steering
        self._whole = whole
        self._kept: dict[bytes | tuple[bytes, str], _Kept] = {}
        self._places: dict[str | tuple[str, bytes], str] = {}

    def __len__(self) -> int:
        """How many answers are kept."""
        return len(self._kept)

    def respond(self, data: bytes, address: str, now: int) -> tuple[bytes, Reply] | None:
        """The response to this datagram, and what it is a copy of; None where silence is right."""
        end = data.find(b"\0", HEADER) + 1
        key = data[11:12] + data[HEADER:end].lower() + data[end:]
        kept = self._kept.get(key) or self._kept.get((key, self._places.get(address, ""))) or self._guided(key, address)
        if kept is None or data[4:11] != ONE_QUESTION or data[2] & 0xFE or not kept.serves(now):
            return self._worked_out(data, end, key, address, now)
        kept.turn = turn = (kept.turn + 1) % len(kept.tails)
        head = bytes((kept.flags | data[2] & 1, kept.code | data[3] & 0x10))
        return data[:2] + head + kept.counts + data[HEADER : end + PLAIN] + kept.tails[turn], kept.reply

    def _guided(self, key: bytes, address: str) -> _Kept | None:
        """Of names whose tree of policies looks at the client, each address has a place by name."""
        return self._kept.get((key, self._places.get((address, key), "")))

    def _worked_out(self, data: bytes, end: int, key: bytes, address: str, now: int) -> tuple[bytes, Reply] | None:
        client = client_of(address)
        reply = self._whole(data, client, now)
        if reply is None:
            return None
        of_one_place = reply.stand is not None or not reply.scope
        if reply.keep >= 0 and of_one_place and end and len(data) - end in (PLAIN, EDNS) and len(data) > HEADER + PLAIN:
            self._keep(data, end, key, address, client, reply)
        return reply.data, reply

    def _keep(self, data: bytes, end: int, key: bytes, address: str, client: Client, reply: Reply) -> None:
        if max(len(self._kept), len(self._places)) >= KEPT:
            self._kept, self._places = {}, {}
        at: bytes | tuple[bytes, str] = key
        if reply.stand is not None:
            who = address if not reply.stand.marks else (address, key)
            place = self._places[who] = _place(reply.stand, client)
            at = (key, place)
        kept, tail = self._kept.get(at), reply.data[end + PLAIN :]
        if kept is None or kept.until != reply.keep:
            variants = 1 if int.from_bytes(reply.data[6:8], "big") < 2 else VARIANTS
            self._kept[at] = _kept(reply, tail, variants)
        elif len(kept.tails) < kept.variants:
            kept.tails.append(tail)


def _kept(reply: Reply, tail: bytes, variants: int) -> _Kept:
    flags, code = reply.data[2] & 0xFE, reply.data[3] & 0xEF
    return _Kept(flags, code, reply.data[4:HEADER], [tail], reply.keep, reply, variants)


def _place(stand: Standpoint, client: Client) -> str:
    """Clients of one place get the same: of one standpoint, in one subnet of the scope of steered answers."""
    bits = SCOPE[version_of(client.address)]
    subnet = ip_network(f"{client.address}/{bits}", strict=False)
    return f"{stand.locality} {stand.marks} {subnet}"
