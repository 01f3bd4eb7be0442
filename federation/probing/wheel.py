"""When what is due, for very many things at once: slots of ten milliseconds, so that one waking serves many. Pure."""

import heapq
from typing import Generic, TypeVar

Item = TypeVar("Item")

SLOT_MS = 10


class Wheel(Generic[Item]):
    """Milliseconds of any clock."""

    def __init__(self) -> None:
        self._slots: dict[int, list[Item]] = {}
        self._order: list[int] = []

    def add(self, when: int, item: Item) -> None:
        """To be given back at this millisecond, or up to a slot later."""
        slot = -(-when // SLOT_MS)
        held = self._slots.get(slot)
        if held is None:
            held = self._slots[slot] = []
            heapq.heappush(self._order, slot)
        held.append(item)

    def due(self, now: int) -> list[Item]:
        """All whose time has come, the earlier slot first."""
        found: list[Item] = []
        while self._order and self._order[0] * SLOT_MS <= now:
            found += self._slots.pop(heapq.heappop(self._order))
        return found

    def next(self) -> int | None:
        """The millisecond at which something is due; None: nothing is in it."""
        return self._order[0] * SLOT_MS if self._order else None


def begins(now: int, phase: int, interval: int) -> int:
    """The next millisecond after `now` that lies at this phase of the interval: the same whenever it is asked."""
    return now + 1 + (phase - now - 1) % interval
