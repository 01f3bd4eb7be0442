"""What is another thing than it was, and work that is done anew only then. Pure."""

from collections.abc import Callable, Mapping, Set
from functools import lru_cache
from itertools import compress
from operator import is_, is_not
from typing import Generic, TypeVar, TypeVarTuple

K = TypeVar("K")
V = TypeVar("V")
P = TypeVarTuple("P")


class _Same(Generic[K, V]):
    """A map that equals itself alone."""

    __slots__ = ("held",)

    def __init__(self, held: Mapping[K, V]) -> None:
        self.held = held

    def __hash__(self) -> int:
        return id(self.held)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.held is self.held


def moved(before: Mapping[K, V], now: Mapping[K, V]) -> Set[K]:
    """The keys that came, went, or stand for something else; neither map may be changed any more. What stayed the same
    object costs next to nothing, most of all where `now` is a copy of `before` that was changed.
    """
    return _moved(_Same(before), _Same(now)) if before is not now else set()


@lru_cache(1)
def _moved(one: _Same[K, V], other: _Same[K, V]) -> Set[K]:
    """Several ask for the same two one after the other."""
    before, now = one.held, other.held
    if len(before) <= len(now) and all(map(is_, before, now)):
        others = compress(now, map(is_not, before.values(), now.values()))
        return {key for key in others if before[key] != now[key]}.union(list(now)[len(before) :])
    held = before.get
    found = {key for key, value in now.items() if (was := held(key)) is not value and was != value}
    return found | (before.keys() - now.keys())


def alike(value: V) -> V:
    """The object that stands for all that equal it, of those that were asked for of late."""
    found: V = _first(value)
    return found


@lru_cache(4_096)
def _first(value: V) -> V:
    return value


class Again(Generic[*P, V]):
    """A function that is called again only when one of its arguments is another object than the last time."""

    def __init__(self, made: Callable[[*P], V]) -> None:
        self._made = made
        self._last: tuple[tuple[object, ...], V] | None = None

    def __call__(self, *given: *P) -> V:
        """What it makes of these; the very same object while they are the same."""
        if self._last is None or not all(map(is_, given, self._last[0])):
            self._last = given, self._made(*given)
        return self._last[1]
