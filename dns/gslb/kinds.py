"""The values of a handout by kind. Pure."""

from collections.abc import Mapping
from typing import Any, TypeVar

from msgspec import Struct

from gslb.moved import moved

T = TypeVar("T", bound=Struct)


class Kinds:
    """What was taken last, sorted: of each kind the same map while nothing of it moved."""

    def __init__(self) -> None:
        self._values: dict[str, Struct] = {}
        self._of: dict[type[Struct], dict[str, Any]] = {}
        self._moved: dict[type[Struct], set[str]] = {}

    def take(self, values: Mapping[str, Struct]) -> None:
        """From now on these. What costs is what moved, and a copy of the map of each kind of which something did."""
        was, self._values = self._values, dict(values)
        fresh: dict[type[Struct], dict[str, Any]] = {}
        self._moved = {}
        for key in moved(was, self._values):
            gone, come = was.get(key), self._values.get(key)
            if gone is not None and type(gone) is not type(come):
                self._copied(fresh, gone, key).pop(key)
            if come is not None:
                self._copied(fresh, come, key)[key] = come
        self._of |= fresh

    def of(self, kind: type[T]) -> dict[str, T]:
        """Those of one kind, by key."""
        return self._of.setdefault(kind, {})

    def moved(self, kind: type[Struct]) -> set[str]:
        """The keys of those of one kind that are others than the time before."""
        return self._moved.get(kind, set())

    def _copied(self, fresh: dict[type[Struct], dict[str, Any]], like: Struct, key: str) -> dict[str, Any]:
        kind = type(like)
        if kind not in fresh:
            fresh[kind] = dict(self.of(kind))
        self._moved.setdefault(kind, set()).add(key)
        return fresh[kind]
