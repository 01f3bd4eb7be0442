"""A small state in Secrets: which key is in which, and what one of them looks like."""

from __future__ import annotations

import zlib
from base64 import b64decode, b64encode
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

from federation.model.errors import InputError, Unavailable

SHARDS = 16
LIMIT = 900 * 1024
"""Bytes of one shard as it is stored; a Secret holds 1 MiB."""
UNPACKED_MAX = 64 * 1024 * 1024
ENTRY = 10
"""Bytes that an entry may take beside its key and value."""
_MEMBER, _HOLDER = "isthmus.dev/member", "isthmus.dev/holder"
_TERM, _WRITES = "isthmus.dev/term", "isthmus.dev/writes"
_PLAIN, _PACKED = b"m", b"z"


class Shard(Struct, frozen=True, kw_only=True):
    """One Secret. `version` "": it is not there. `holder` in its `term` wrote it last; `writes` counts its writes."""

    version: str = ""
    holder: str = ""
    term: int = -1
    writes: int = 0
    content: Mapping[str, bytes] = {}


class _Meta(Struct, frozen=True, rename="camel"):
    resource_version: str = ""
    annotations: dict[str, str] | None = None


class _Secret(Struct, frozen=True):
    metadata: _Meta
    data: dict[str, str] | None = None


def shard_of(key: str) -> int:
    """The number of the shard that holds this key."""
    return zlib.crc32(key.encode()) % SHARDS


def name_of(number: int) -> str:
    """The Secret of this shard."""
    return f"isthmus-store-{number}"


def pack(content: Mapping[str, bytes]) -> bytes:
    """The bytes of this content, compressed where that is shorter."""
    plain = msgspec.msgpack.encode(dict(sorted(content.items())))
    packed = zlib.compress(plain)
    return _PACKED + packed if len(packed) < len(plain) else _PLAIN + plain


def unpack(blob: bytes) -> dict[str, bytes]:
    """The content of these bytes. ValueError when they are damaged."""
    kind, rest = blob[:1], blob[1:]
    if kind == _PACKED:
        stream = zlib.decompressobj()
        try:
            rest = stream.decompress(rest, UNPACKED_MAX)
        except zlib.error as error:
            raise ValueError(str(error)) from None
        if not stream.eof:
            raise ValueError(f"cut short, or longer than {UNPACKED_MAX} bytes")
    elif kind != _PLAIN:
        raise ValueError(f"of unknown form {kind!r}")
    return msgspec.msgpack.decode(rest, type=dict[str, bytes])


def write_secret(namespace: str, number: int, member: str, shard: Shard, blob: bytes) -> dict[str, Any]:
    """The Secret of this shard; it replaces the one of the shard's version and no other."""
    notes = {_MEMBER: member, _HOLDER: shard.holder, _TERM: str(shard.term), _WRITES: str(shard.writes)}
    meta = {"name": name_of(number), "namespace": namespace, "annotations": notes}
    meta |= {"labels": {"app.kubernetes.io/part-of": "isthmus"}}
    meta |= {"resourceVersion": shard.version} if shard.version else {}
    data = {"kept": b64encode(blob).decode()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "data": data}


def read_secret(where: str, member: str, raw: bytes) -> Shard:
    """The shard in this Secret. InputError when it is another member's, Unavailable when it cannot be read."""
    found = msgspec.json.decode(raw, type=_Secret)
    notes, data = found.metadata.annotations or {}, found.data or {}
    if notes.get(_MEMBER, member) != member:
        other = f'holds the state of member "{notes[_MEMBER]}", not of "{member}"'
        raise InputError(f"{where}: {other}; give each its own namespace")
    if not data and _HOLDER not in notes:
        return Shard(version=found.metadata.resource_version)
    try:
        return Shard(
            version=found.metadata.resource_version,
            holder=notes[_HOLDER],
            term=int(notes[_TERM]),
            writes=int(notes[_WRITES]),
            content=unpack(b64decode(data["kept"], validate=True)),
        )
    except KeyError as error:
        why = f"has no {error.args[0]}"
    except (ValueError, msgspec.MsgspecError) as error:
        why = f"cannot be read: {error}"
    raise Unavailable(f"{where}: {why}; restore it, or delete it to begin without what it held")
