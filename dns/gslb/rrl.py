"""Response rate limiting: what one network gets of the same answer over UDP, so that nobody makes us flood it. Pure.

Buckets of tokens by the client's network and by what it is told: a name that is there, the names that are not there in
one zone, each kind of error. Of what is over, every `slip`-th is answered empty with TC, so that who is real comes by
TCP. Python's own keyed hash says which bucket; many share one when there are more than BUCKETS, so that memory does not
grow with what spoofers think of.
"""

from functools import lru_cache
from ipaddress import ip_address
from secrets import token_bytes
from typing import Literal

from msgspec import Struct

from federation.model.policy import Range
from gslb.answered import NOERROR, NXDOMAIN
from gslb.wire import Reply

RATE, SLIP = Range(0, 1_000_000), Range(0, 10)
NETWORK = {4: 24, 6: 56}
"""Bits of an address that stand for one network."""

BUCKETS = 1 << 16
QUESTION = 4
"""Bytes of type and class behind the name."""

Verdict = Literal["answer", "slip", "drop"]
_TOKEN = 1_000_000


class Limits(Struct, frozen=True):
    """Responses of one kind a second for one network (0: no limit); of those over it one in `slip` is answered with TC
    (0: none, 1: all). `dry` counts and limits nothing.
    """

    rate: int = 0
    slip: int = 2
    dry: bool = False


NO_LIMITS = Limits()


class Limiter:
    """Says of each response whether it goes out. A bucket holds what one second lets through."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._key = token_bytes(16)
        self._tokens = [limits.rate * _TOKEN] * BUCKETS
        self._seen = [0] * BUCKETS
        self._over = 0

    def judge(self, address: str, question: bytes, reply: Reply, now: int) -> Verdict:
        """What to do with the response to this question, at this Unix millisecond."""
        if reply.known:
            return "answer"
        at = self._bucket(address, question, reply)
        most, since = self.limits.rate * _TOKEN, max(0, now - self._seen[at])
        tokens = min(most, self._tokens[at] + since * self.limits.rate * (_TOKEN // 1_000))
        self._seen[at] = now
        if tokens >= _TOKEN:
            self._tokens[at] = tokens - _TOKEN
            return "answer"
        self._tokens[at] = tokens
        self._over += 1
        return "slip" if self.limits.slip and self._over % self.limits.slip == 0 else "drop"

    def _bucket(self, address: str, question: bytes, reply: Reply) -> int:
        told = question if reply.code == NOERROR else reply.zone.encode() if reply.code == NXDOMAIN else b""
        return hash(self._key + _network(address) + bytes((reply.code & 0xFF,)) + told) % BUCKETS


@lru_cache(65_536)
def _network(address: str) -> bytes:
    parsed = ip_address(address.partition("%")[0])
    return (int(parsed) >> parsed.max_prefixlen - NETWORK[parsed.version]).to_bytes(8, "big")


def truncated(response: bytes, end: int) -> bytes:
    """This response made empty, with TC (RFC 2181 section 9); its question, where it has one, ends before `end`."""
    flags = bytes((0x82 | response[2] & 1, response[3] & 0x10))
    return response[:2] + flags + response[4:6] + bytes(6) + response[12:end]
