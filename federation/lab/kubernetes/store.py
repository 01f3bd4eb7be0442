"""Objects by collection, one counter of versions for all, and the events since the last compaction.

Objects in the store are never changed in place: whoever writes puts a new one. So a snapshot is a dictionary's copy,
and an event may hold the object before and after it.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from federation.lab.kubernetes import status

Object = dict[str, Any]
Collection = tuple[str, str]
Key = tuple[str, str]
KEPT_EVENTS = 100_000


@dataclass(frozen=True)
class Event:
    """A change: `before` is None for a new object, `after` is the object as stored, or as it was when deleted."""

    version: int
    collection: Collection
    key: Key
    before: Object | None
    after: Object
    deleted: bool


class Store:
    """The state of one API server."""

    def __init__(self) -> None:
        self.version = 1
        self.compacted = 0
        self.collections: dict[Collection, dict[Key, Object]] = {}
        self.events: list[Event] = []
        self.moved = asyncio.Event()

    def of(self, collection: Collection) -> dict[Key, Object]:
        """A collection's objects by (namespace, name)."""
        return self.collections.setdefault(collection, {})

    def get(self, collection: Collection, key: Key) -> Object | None:
        """One object, or None."""
        return self.of(collection).get(key)

    def put(self, collection: Collection, key: Key, value: Object) -> Object:
        """Store an object under the next version and return it as stored."""
        self.version += 1
        stored = {**value, "metadata": {**value["metadata"], "resourceVersion": str(self.version)}}
        before = self.of(collection).get(key)
        self.of(collection)[key] = stored
        self._happened(Event(self.version, collection, key, before, stored, False))
        return stored

    def delete(self, collection: Collection, key: Key) -> Object:
        """Remove an object; its last state bears the version of the deletion."""
        self.version += 1
        before = self.of(collection).pop(key)
        last = {**before, "metadata": {**before["metadata"], "resourceVersion": str(self.version)}}
        self._happened(Event(self.version, collection, key, before, last, True))
        return last

    def compact(self) -> None:
        """Forget history: whoever asks for an older version is told 410."""
        self.compacted = self.version
        self.events.clear()
        self.wake()

    def wake(self) -> None:
        """Let every watch look again."""
        self.moved.set()
        self.moved = asyncio.Event()

    def since(self, version: int, collection: Collection) -> Iterator[Event]:
        """A collection's events after a version; raises 410 when they are forgotten."""
        if version < self.compacted:
            text = f"too old resource version: {version} ({self.compacted})"
            raise status.expired(text)
        start = len(self.events)
        while start and self.events[start - 1].version > version:
            start -= 1
        return (event for event in self.events[start:] if event.collection == collection)

    def at(self, version: int, collection: Collection) -> dict[Key, Object]:
        """A collection as it was at a version; raises 410 when that is forgotten."""
        now = dict(self.of(collection))
        if version >= self.version:
            return now
        for event in reversed(list(self.since(version, collection))):
            if event.before is None:
                now.pop(event.key, None)
            else:
                now[event.key] = event.before
        return now

    def _happened(self, event: Event) -> None:
        self.events.append(event)
        if len(self.events) > KEPT_EVENTS:
            half = self.events[: KEPT_EVENTS // 2]
            self.compacted = half[-1].version
            del self.events[: len(half)]
        self.wake()
