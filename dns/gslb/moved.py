"""What is another thing than it was, and work that is done anew only then. Pure."""

from collections.abc import Callable, Mapping
from itertools import compress
from operator import is_, is_not
from typing import Generic, ParamSpec, TypeVar

K = TypeVar("K")
V = TypeVar("V")
P = ParamSpec("P")


def moved(before: Mapping[K, V], now: Mapping[K, V]) -> set[K]:
    """The keys that came, went, or stand for something else. What stayed the same object costs next to nothing, most of
    all where `now` is a copy of `before` that was changed.
    """
    if before is now:
        return set()
    if len(before) <= len(now) and all(map(is_, before, now)):
        others = compress(now, map(is_not, before.values(), now.values()))
        return {key for key in others if before[key] != now[key]}.union(list(now)[len(before) :])
    held = before.get
    found = {key for key, value in now.items() if (was := held(key)) is not value and was != value}
    return found.union(before.keys() - now.keys())


class Again(Generic[P, V]):
    """A function that is called again only when one of its arguments is another object than the last time."""

    def __init__(self, made: Callable[P, V]) -> None:
        self._made = made
        self._last: tuple[tuple[object, ...], V] | None = None

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> V:
        """What it makes of these; the very same object while they are the same."""
        given = (*args, *kwargs.values())
        if self._last is None or not all(map(is_, given, self._last[0])):
            self._last = given, self._made(*args, **kwargs)
        return self._last[1]
