"""Messages in protobuf's JSON form -> their bytes, by the types' descriptors (protobuf encoding guide, ProtoJSON).

`json_format` takes two milliseconds for a cluster; this writes the same bytes as its deterministic serialisation, and
keeps those of pieces that many resources share.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache

from google.protobuf import descriptor_pool
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor

from gateways.render.envoy.common import Shared

Write = Callable[[object], bytes]
"""The bytes of one value without its tag; a message's without its length."""

VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5
NANOS = 1_000_000_000
_DURATION = re.compile(r"(-?)(\d{1,12})(?:\.(\d{1,9}))?s")
_WRAPPERS = frozenset(
    f"google.protobuf.{kind}Value"
    for kind in ("Bool", "Int32", "Int64", "UInt32", "UInt64", "Float", "Double", "String", "Bytes")
)
_INTEGERS: dict[int, tuple[int, int]] = {
    FieldDescriptor.TYPE_INT32: (-(1 << 31), (1 << 31) - 1),
    FieldDescriptor.TYPE_INT64: (-(1 << 63), (1 << 63) - 1),
    FieldDescriptor.TYPE_UINT32: (0, (1 << 32) - 1),
    FieldDescriptor.TYPE_UINT64: (0, (1 << 64) - 1),
}


class Unwritable(ValueError):
    """The value is not of the type: `why`, and the names of the fields on the way to it."""

    def __init__(self, why: str, path: tuple[str, ...] = ()) -> None:
        super().__init__(f"{'.'.join(path)}: {why}" if path else why)
        self.why, self.path = why, path


def message_bytes(kind: str, value: object) -> bytes:
    """The bytes of a message of this full name. Unwritable when the value is not of it."""
    return writer_of(kind).write(value)


def once(write: Write) -> Write:
    """As `write`, but a shared piece is written when it is met first and never again."""

    def written(value: object) -> bytes:
        if not isinstance(value, Shared):
            return write(value)
        if value.wire is None or value.wire[0] is not write:
            value.wire = (write, write(value))
        return value.wire[1]

    return written


class Field:
    """One field of a message: its number, its tag, and how its values are written."""

    def __init__(self, of: FieldDescriptor) -> None:
        self.number = of.number
        self.name = of.name
        self._write = _writer(of)
        kind = _wire_type(of)
        repeated = of.is_repeated
        self._packed = repeated and kind != LENGTH
        self._tag = varint(of.number << 3 | (LENGTH if self._packed else kind))
        self._sized = kind == LENGTH
        self._map = bool(of.message_type is not None and of.message_type.GetOptions().map_entry)
        self._repeated = repeated
        self._silent = _default(of) if not repeated and not of.has_presence else None

    def write(self, value: object) -> bytes:
        """Tag and value; nothing for the default of a field without presence."""
        if self._map:
            return b"".join(map(self._one, _entries(value)))
        if self._repeated:
            return self._many(value)
        if value == self._silent and value is not None:
            return b""
        return self._one(value)

    def _one(self, value: object) -> bytes:
        if not isinstance(value, Shared):
            return self._framed(value)
        if value.field is None or value.field[0] is not self:
            value.field = (self, self._framed(value))
        return value.field[1]

    def _framed(self, value: object) -> bytes:
        data = self._write(value)
        return b"".join((self._tag, varint(len(data)), data)) if self._sized else self._tag + data

    def _many(self, value: object) -> bytes:
        if not isinstance(value, list | tuple):
            raise Unwritable("must be a list")
        if not self._packed:
            return b"".join(map(self._one, value))
        data = b"".join(map(self._write, value))
        return b"".join((self._tag, varint(len(data)), data)) if value else b""


class Writer:
    """Writes messages of one type, by `write`."""

    def __init__(self, of: Descriptor) -> None:
        self._of = of
        self._fields: dict[str, Field] = {}
        self._orders: dict[tuple[str, ...], tuple[tuple[str, Field], ...]] = {}
        self.write = once(self._write)

    def _write(self, value: object) -> bytes:
        if not isinstance(value, dict):
            raise Unwritable(f"must be an object of {self._of.full_name}")
        names = tuple(value)
        order = self._orders.get(names)
        if order is None:
            order = self._orders[names] = self._order(names)
        parts = []
        for name, field in order:
            try:
                parts.append(field.write(value[name]))
            except Unwritable as error:
                raise Unwritable(error.why, (name, *error.path)) from None
        return b"".join(parts)

    def _order(self, names: Iterable[str]) -> tuple[tuple[str, Field], ...]:
        found = [(name, self._field(name)) for name in names]
        return tuple(sorted(found, key=lambda one: one[1].number))

    def _field(self, name: str) -> Field:
        if name not in self._fields:
            of = self._of.fields_by_name.get(name)
            if of is None:
                raise Unwritable(f'{self._of.full_name} has no field "{name}"')
            self._fields[name] = Field(of)
        return self._fields[name]


@lru_cache(None)
def writer_of(kind: str) -> Writer:
    """The writer of a message type. Unwritable when no module that was imported defines it."""
    try:
        return Writer(descriptor_pool.Default().FindMessageTypeByName(kind))
    except KeyError:
        raise Unwritable(f'no message type "{kind}" is known') from None


def varint(number: int) -> bytes:
    """A number of at most 64 bits, seven a byte, the lowest first; a negative one as its two's complement."""
    number &= (1 << 64) - 1
    if number < 0x80:
        return _SMALL[number]
    made = bytearray()
    while number >= 0x80:
        made.append(number & 0x7F | 0x80)
        number >>= 7
    made.append(number)
    return bytes(made)


_SMALL = [bytes((number,)) for number in range(0x80)]


def _wire_type(of: FieldDescriptor) -> int:
    if of.type in (FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES, FieldDescriptor.TYPE_MESSAGE):
        return LENGTH
    return {FieldDescriptor.TYPE_DOUBLE: FIXED64, FieldDescriptor.TYPE_FLOAT: FIXED32}.get(of.type, VARINT)


def _default(of: FieldDescriptor) -> object:
    if of.enum_type is not None:
        return of.enum_type.values_by_number[0].name
    return of.default_value


def _writer(of: FieldDescriptor) -> Write:
    """How a value of this field is written."""
    if of.message_type is not None:
        return _message_writer(of.message_type)
    if of.enum_type is not None:
        return _enum_writer(of.enum_type)
    if of.type in _INTEGERS:
        return _integer_writer(*_INTEGERS[of.type])
    found = _SCALARS.get(of.type)
    if found is None:
        raise Unwritable(f"the scalar type of {of.full_name} is not written here")
    return found


def _message_writer(of: Descriptor) -> Write:
    if of.full_name in _WRAPPERS:
        field = Field(of.fields_by_name["value"])
        return field.write
    special = _SPECIAL.get(of.full_name)
    if special is not None:
        return special
    return lambda value: writer_of(of.full_name).write(value)


def _enum_writer(of: EnumDescriptor) -> Write:
    numbers = {value.name: varint(value.number) for value in of.values}

    def write(value: object) -> bytes:
        if not isinstance(value, str) or value not in numbers:
            raise Unwritable(f'"{value}" is none of {of.full_name}')
        return numbers[value]

    return write


def _integer_writer(low: int, high: int) -> Write:
    def write(value: object) -> bytes:
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise Unwritable(f"{value!r} is no integer of {low} to {high}")
        return varint(value)

    return write


def _boolean(value: object) -> bytes:
    if not isinstance(value, bool):
        raise Unwritable(f"{value!r} is neither true nor false")
    return _SMALL[value]


def _string(value: object) -> bytes:
    if not isinstance(value, str):
        raise Unwritable(f"{value!r} is no text")
    return value.encode()


def _real(layout: str) -> Write:
    def write(value: object) -> bytes:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise Unwritable(f"{value!r} is no number")
        return struct.pack(layout, value)

    return write


def _duration(value: object) -> bytes:
    found = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise Unwritable(f'{value!r} is no duration such as "1.5s"')
    sign = -1 if found[1] else 1
    seconds, nanos = sign * int(found[2]), sign * int((found[3] or "").ljust(9, "0"))
    return (b"\x08" + varint(seconds) if seconds else b"") + (b"\x10" + varint(nanos) if nanos else b"")


def _any(value: object) -> bytes:
    url = value.get("@type") if isinstance(value, dict) else None
    if not isinstance(url, str) or not isinstance(value, dict):
        raise Unwritable('must be an object with its type under "@type"')
    content = {name: held for name, held in value.items() if name != "@type"}
    data, kind = message_bytes(url.rpartition("/")[2], content), url.encode()
    return b"".join((b"\x0a", varint(len(kind)), kind, *((b"\x12", varint(len(data)), data) if data else ())))


def _struct(value: object) -> bytes:
    if not isinstance(value, dict):
        raise Unwritable("must be an object")
    pairs = [(key, _value(held)) for key, held in sorted(value.items())]
    made = []
    for key, data in pairs:
        name = key.encode()
        entry = b"".join((b"\x0a", varint(len(name)), name, b"\x12", varint(len(data)), data))
        made.append(b"".join((b"\x0a", varint(len(entry)), entry)))
    return b"".join(made)


def _value(value: object) -> bytes:
    """A google.protobuf.Value: null, number, text, truth, object or list."""
    match value:
        case None:
            return b"\x08\x00"
        case bool():
            return b"\x20" + _SMALL[value]
        case int() | float():
            return b"\x11" + struct.pack("<d", value)
        case str():
            return b"".join((b"\x1a", varint(len(value.encode())), value.encode()))
        case dict():
            data = _struct(value)
            return b"".join((b"\x2a", varint(len(data)), data))
        case list() | tuple():
            items = [_value(one) for one in value]
            data = b"".join(b"".join((b"\x0a", varint(len(one)), one)) for one in items)
            return b"".join((b"\x32", varint(len(data)), data))
        case _:
            raise Unwritable(f"{value!r} is no value")


def _entries(value: object) -> Iterable[Mapping[str, object]]:
    if not isinstance(value, dict):
        raise Unwritable("must be an object")
    return [{"key": key, "value": value[key]} for key in sorted(value)]


_SCALARS: dict[int, Write] = {
    FieldDescriptor.TYPE_BOOL: _boolean,
    FieldDescriptor.TYPE_STRING: _string,
    FieldDescriptor.TYPE_DOUBLE: _real("<d"),
    FieldDescriptor.TYPE_FLOAT: _real("<f"),
}
_SPECIAL: dict[str, Write] = {
    "google.protobuf.Duration": _duration,
    "google.protobuf.Any": once(_any),
    "google.protobuf.Struct": once(_struct),
    "google.protobuf.Value": _value,
}
