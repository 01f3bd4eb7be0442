"""What is in the cluster, as far as the writer needs it: our objects whole, of others that they are there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

from federation.adapters.kube.compare import Part
from federation.adapters.kube.kinds import MANAGER, Kind, ObjectKey
from federation.adapters.kube.reading import HeadMeta, is_marked, read_head

_MANAGED = f'"manager":"{MANAGER}"'.encode()
MANY = ("Service", "EndpointSlice", "Namespace", "Node")
"""Kinds of which only ours are kept whole."""


@dataclass(slots=True)
class Seen:
    """One object; `raw` is b"" for somebody else's of which we need no more than that it is there.

    `applied`: it has fields of our field manager. `learned`: from the answer to our own write; what a watch says of
    older versions is ignored until it has caught up.
    """

    uid: str
    version: str
    marked: bool
    applied: bool
    deleting: bool
    raw: bytes
    learned: bool = False

    def read(self) -> Part:
        """The object."""
        have: Part = msgspec.json.decode(self.raw) if self.raw else {}
        return have


class World:
    """The objects by key."""

    def __init__(self) -> None:
        self._objects: dict[ObjectKey, Seen] = {}
        self._listed: set[str] = set()

    def get(self, key: ObjectKey) -> Seen | None:
        """The object, if it is there."""
        return self._objects.get(key)

    def marked(self) -> Iterator[ObjectKey]:
        """What bears our mark."""
        return (key for key, seen in self._objects.items() if seen.marked)

    def saw(self, kind: Kind, key: ObjectKey, meta: HeadMeta, raw: msgspec.Raw) -> bool:
        """A follower saw this object; True when it may concern us and is news."""
        old = self._objects.get(key)
        if old is not None and old.uid == meta.uid:
            if old.learned and _number(meta.resource_version) < _number(old.version):
                return False
            if old.version == meta.resource_version:
                old.learned = False
                return False
        new = self._put(kind, key, meta, bytes(raw))
        return bool(new.raw) or (old is not None and old.marked)

    def learn(self, kind: Kind, key: ObjectKey, raw: bytes) -> str:
        """The API server answered our write with this; its version."""
        _, meta = read_head(kind, msgspec.Raw(raw))
        old = self._objects.get(key)
        if old is None or _number(meta.resource_version) > _number(old.version):
            self._put(kind, key, meta, raw).learned = True
        return meta.resource_version

    def lost(self, key: ObjectKey) -> None:
        """The object is gone."""
        self._objects.pop(key, None)

    def deleting(self, key: ObjectKey) -> None:
        """The API server took our delete."""
        seen = self._objects.get(key)
        if seen is not None:
            seen.deleting = True

    def listed(self, kind: Kind) -> bool:
        """The kind was read whole; True for the first time."""
        first = kind.name not in self._listed
        self._listed.add(kind.name)
        return first

    def is_listed(self, kind: Kind) -> bool:
        """Whether the kind was read whole once."""
        return kind.name in self._listed

    def live(self, namespace: str) -> bool:
        """Whether the namespace is there and does not end."""
        seen = self._objects.get(("Namespace", "", namespace))
        return seen is not None and not seen.deleting

    def missing(self, namespace: str) -> bool:
        """Whether we know that nothing can be made in this namespace."""
        return bool(namespace) and "Namespace" in self._listed and not self.live(namespace)

    def _put(self, kind: Kind, key: ObjectKey, meta: HeadMeta, raw: bytes) -> Seen:
        marked = is_marked(kind, meta)
        applied = _MANAGED in raw
        whole = marked or applied or kind.name not in MANY
        deleting = meta.deletion_timestamp is not None
        seen = Seen(meta.uid, meta.resource_version, marked, applied, deleting, raw if whole else b"")
        self._objects[key] = seen
        return seen


def _number(version: str) -> int:
    return int(version) if version.isdigit() else 0
