"""A query as it stands in the message (RFC 1035 section 4, EDNS by RFC 6891). Pure.

Read here and not by dnspython, because a query with one bad EDNS option must still be answered with EDNS.
"""

import struct

from msgspec import Struct

HEADER = 12
OPT = 41
OPTION_SUBNET, OPTION_COOKIE = 8, 10
_POINTER = 0xC0


class MalformedError(ValueError):
    """The message cannot be read: format error."""


class Edns(Struct, frozen=True):
    """The OPT record: the payload size the client takes, its version, the DO bit, the options as they are."""

    payload: int
    version: int
    do: bool
    options: tuple[tuple[int, bytes], ...] = ()


class Query(Struct, frozen=True):
    """One question. `labels` keep the case of the client and end with the root's empty one; none: nothing is asked but
    a cookie (RFC 7873 section 5.4).
    """

    ident: int
    flags: int
    labels: tuple[bytes, ...]
    kind: int
    rdclass: int
    edns: Edns | None

    def option(self, code: int) -> list[bytes]:
        """The data of each option of this code; none of a version that we do not speak."""
        if self.edns is None or self.edns.version > 0:
            return []
        return [data for one, data in self.edns.options if one == code]


def parse_query(data: bytes) -> Query:
    """The query in these bytes, at least a header. MalformedError unless there is exactly one question, whole, or none
    and a cookie.
    """
    ident, flags, questions, *others = struct.unpack_from("!6H", data)
    if not questions:
        return _cookie_alone(ident, flags, _records(data, HEADER, sum(others), others[2]))
    if questions != 1:
        raise MalformedError("not one question")
    labels, at = _name(data, HEADER)
    if labels is None:
        raise MalformedError("a compressed question")
    kind, rdclass = _unpack("!2H", data, at)
    edns = _records(data, at + 4, sum(others), others[2])
    return Query(ident, flags, labels, kind, rdclass, edns)


def _cookie_alone(ident: int, flags: int, edns: Edns | None) -> Query:
    query = Query(ident, flags, (), 0, 0, edns)
    if not query.option(OPTION_COOKIE):
        raise MalformedError("no question")
    return query


def _records(data: bytes, at: int, count: int, additional: int) -> Edns | None:
    """Skip what follows the question, but for the OPT record: one at most, additional, owned by the root."""
    found = None
    for index in range(count):
        owner, at = _name(data, at)
        kind, rdclass, ttl, size = _unpack("!HHIH", data, at)
        at += 10
        if at + size > len(data):
            raise MalformedError("a record is cut off")
        if kind == OPT:
            if found is not None or owner != (b"",) or index < count - additional:
                raise MalformedError("a second or misplaced OPT")
            found = Edns(rdclass, ttl >> 16 & 0xFF, bool(ttl & 0x8000), _options(data[at : at + size]))
        at += size
    return found


def _options(options: bytes) -> tuple[tuple[int, bytes], ...]:
    found = []
    at = 0
    while at < len(options):
        code, size = _unpack("!2H", options, at)
        at += 4 + size
        if at > len(options):
            raise MalformedError("an option is cut off")
        found.append((code, options[at - size : at]))
    return tuple(found)


def _name(data: bytes, at: int) -> tuple[tuple[bytes, ...] | None, int]:
    """The labels of a name and where it ends; None for labels when it is compressed."""
    labels: list[bytes] = []
    size = 0
    while True:
        (length,) = _unpack("!B", data, at)
        if length & _POINTER == _POINTER:
            return None, at + 2
        if length & _POINTER:
            raise MalformedError("a label of an unknown kind")
        label = data[at + 1 : at + 1 + length]
        size += length + 1
        at += length + 1
        if len(label) < length or size > 255:
            raise MalformedError("a name that is cut off or too long")
        labels.append(label)
        if not length:
            return tuple(labels), at


def _unpack(form: str, data: bytes, at: int) -> tuple[int, ...]:
    try:
        return struct.unpack_from(form, data, at)
    except struct.error:
        raise MalformedError("the message is cut off") from None
