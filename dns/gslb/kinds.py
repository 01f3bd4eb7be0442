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

    def take(self, values: Mapping[str, Struct]) -> None:
        """From now on these. What costs is what moved, and a copy of the map of each kind of which something did."""
        was, self._values = self._values, dict(values)
        fresh: dict[type[Struct], dict[str, Any]] = {}
        for key in moved(was, self._values):
            gone, come = was.get(key), self._values.get(key)
            if gone is not None and type(gone) is not type(come):
                self._copied(fresh, gone).pop(key)
            if come is not None:
                self._copied(fresh, come)[key] = come
        self._of |= fresh

    def of(self, kind: type[T]) -> dict[str, T]:
        """Those of one kind, by key."""
        return self._of.setdefault(kind, {})

    def _copied(self, fresh: dict[type[Struct], dict[str, Any]], like: Struct) -> dict[str, Any]:
        kind = type(like)
        if kind not in fresh:
            fresh[kind] = dict(self.of(kind))
        return fresh[kind]
