"""Keyed resources as bytes: the first part of a key names the kind, MessagePack carries the value.

Fields that a reader does not know are ignored and survive, because bytes are kept and forwarded as they came; kinds
that it does not know are left alone.
"""

from collections.abc import Iterable, Mapping
from typing import TypeVar

import msgspec

from federation.model.errors import Refused
from federation.session.tree import Tree

T = TypeVar("T", bound=msgspec.Struct)
_encoder = msgspec.msgpack.Encoder()


class Codec:
    """Encodes and decodes the resources of one feed."""

    def __init__(self, kinds: Mapping[str, type[msgspec.Struct]]) -> None:
        self._decoders = {kind: msgspec.msgpack.Decoder(of) for kind, of in kinds.items()}

    def decode(self, key: str, data: bytes) -> msgspec.Struct | None:
        """The value; None for an unknown kind. Refused (E120) when the bytes are not of the key's kind."""
        decoder = self._decoders.get(key.partition("/")[0])
        if decoder is None:
            return None
        try:
            return decoder.decode(data)
        except msgspec.MsgspecError as error:
            raise Refused(f'resource "{key}" ({len(data)} bytes): {error}', "E120") from None

    def decode_tree(self, tree: Tree) -> dict[str, msgspec.Struct]:
        """Every resource of a known kind, by key."""
        decoded = ((key, self.decode(key, data)) for key, data in tree.items())
        return {key: value for key, value in decoded if value is not None}


def encode(value: msgspec.Struct) -> bytes:
    """The bytes of one resource."""
    return _encoder.encode(value)


def of_kind(values: Iterable[msgspec.Struct], kind: type[T]) -> list[T]:
    """The values of one kind."""
    return [value for value in values if isinstance(value, kind)]
