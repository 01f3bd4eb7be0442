"""What many streams serve, held once: the resources of one view, and what changes in it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import chain

from msgspec import Struct

from gateways.xds.messages import Resource, Snapshot, mark, version_of

NAMES_MAX = 64
"""How many different sets of names are remembered, so that streams with equal subscriptions hold one."""

_NOTHING: Mapping[str, Resource] = {}


class Change(Struct, frozen=True):
    """One resource that is another now. `before` is None for a new one, `after` for one that is gone."""

    type_url: str
    name: str
    before: Resource | None
    after: Resource | None


class All(Struct, frozen=True):
    """Everything of one type: its version as a set, the resources, and the version of each name."""

    version: str
    resources: tuple[Resource, ...]
    versions: dict[str, str | None]


class Shelf:
    """The content of one view. Streams read it and are told what changes; they keep only how they differ from it."""

    def __init__(self, snapshot: Snapshot | None = None) -> None:
        self.known = False
        self._types: dict[str, dict[str, Resource]] = {}
        self._marks: dict[str, int] = {}
        self._all: dict[str, All] = {}
        self._names: dict[frozenset[str], frozenset[str]] = {}
        if snapshot is not None:
            self.offer(snapshot)

    def offer(self, snapshot: Snapshot, changed: Iterable[tuple[str, str]] | None = None) -> tuple[Change, ...]:
        """Take this content; what is different from before. `changed` are the (type URL, name) that can differ, and
        nothing else is looked at then; None: all.
        """
        self.known = True
        for type_url in snapshot.keys() - self._types.keys():
            self._types[type_url], self._marks[type_url] = {}, 0
        found = self._every(snapshot) if changed is None else changed
        return tuple(change for type_url, name in found if (change := self._take(snapshot, type_url, name)) is not None)

    def get(self, type_url: str, name: str) -> Resource | None:
        """The resource of this name."""
        return self._types.get(type_url, _NOTHING).get(name)

    def of(self, type_url: str) -> Mapping[str, Resource]:
        """All resources of this type, by name."""
        return self._types.get(type_url, _NOTHING)

    def has(self, type_url: str) -> bool:
        """True when it is known what there is of this type, be it nothing."""
        return type_url in self._types

    def all(self, type_url: str) -> All:
        """All resources of this type; the same object until one changes."""
        found = self._all.get(type_url)
        if found is None:
            held = self.of(type_url)
            versions: dict[str, str | None] = {name: one.version for name, one in held.items()}
            found = self._all[type_url] = All(version_of(self.marks(type_url)), tuple(held.values()), versions)
        return found

    def marks(self, type_url: str) -> int:
        """The sum of the marks of all resources of this type."""
        return self._marks.get(type_url, 0)

    def share(self, names: frozenset[str]) -> frozenset[str]:
        """These names, as the object that other streams hold as well."""
        if len(self._names) > NAMES_MAX:
            self._names.clear()
        return self._names.setdefault(names, names)

    def _every(self, snapshot: Snapshot) -> list[tuple[str, str]]:
        return [
            (type_url, name)
            for type_url, held in self._types.items()
            for name in dict.fromkeys(chain(snapshot.get(type_url, _NOTHING), held))
        ]

    def _take(self, snapshot: Snapshot, type_url: str, name: str) -> Change | None:
        held = self._types.setdefault(type_url, {})
        before, after = held.get(name), snapshot.get(type_url, _NOTHING).get(name)
        if after is not None:
            held[name] = after
        else:
            held.pop(name, None)
        if before is after or (before is not None and after is not None and before.version == after.version):
            return None
        self._marks[type_url] = self._marks.get(type_url, 0) - mark(before) + mark(after)
        self._all.pop(type_url, None)
        return Change(type_url, name, before, after)
