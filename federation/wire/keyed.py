"""Keyed resources as bytes: the first part of a key names the kind, MessagePack carries the value.

Fields that a reader does not know are ignored and survive, because bytes are kept and forwarded as they came; kinds
that it does not know are left alone. A writer that cannot bear this names fields in `must`: whoever does not know one
of them refuses the resource and keeps its last good.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import TypeVar

import msgspec

from federation.model.errors import Refused
from federation.session.tree import Tree

T = TypeVar("T", bound=msgspec.Struct)
_encoder = msgspec.msgpack.Encoder()


class Must(msgspec.Struct, frozen=True):
    """The part of any resource that names the fields which its reader must understand."""

    must: tuple[str, ...] = ()


_must_decoder = msgspec.msgpack.Decoder(Must)


class Codec:
    """Encodes and decodes the resources of one feed."""

    def __init__(self, kinds: Mapping[str, type[msgspec.Struct]]) -> None:
        self._decoders: dict[str, msgspec.msgpack.Decoder[msgspec.Struct]] = {
            kind: msgspec.msgpack.Decoder(of) for kind, of in kinds.items()
        }

    def decode(self, key: str, data: bytes) -> msgspec.Struct | None:
        """The value; None for an unknown kind. Refused when the bytes are not of the key's kind (E120), or must be
        understood and cannot (E124).
        """
        decoder = self._decoders.get(key.partition("/")[0])
        if decoder is None:
            return None
        try:
            value = decoder.decode(data)
            must = _must_decoder.decode(data).must if b"\xa4must" in data else ()
        except msgspec.MsgspecError as error:
            raise Refused(f'resource "{key[:160]}" ({len(data)} bytes): {error}', "E120") from None
        unknown = next((field for field in must if field not in value.__struct_fields__), None)
        if unknown is not None:
            what = f'resource "{key[:160]}" must not be read without its field "{unknown[:80]}"'
            raise Refused(f"{what}, which is newer than we are; last good kept, upgrade this end", "E124")
        return value

    def known(self, items: Iterable[tuple[str, bytes]]) -> Iterator[tuple[str, msgspec.Struct]]:
        """Those of these resources that are of a known kind, with their keys."""
        for key, data in items:
            value = self.decode(key, data)
            if value is not None:
                yield key, value

    def decode_tree(self, tree: Tree) -> dict[str, msgspec.Struct]:
        """Every resource of a known kind, by key."""
        return dict(self.known(tree.items()))


def encode(value: msgspec.Struct) -> bytes:
    """The bytes of one resource."""
    return _encoder.encode(value)


def of_kind(values: Iterable[msgspec.Struct], kind: type[T]) -> list[T]:
    """The values of one kind."""
    return [value for value in values if isinstance(value, kind)]
