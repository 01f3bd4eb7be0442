"""What one end has still to send. It tells what is gone from what waits, so that a peer which takes nothing cannot pile
up answers.
"""

from collections import deque
from collections.abc import Iterable


class Outbox(deque[bytes]):
    """Messages in order; whoever sends them takes them from the left."""

    __slots__ = ("_put",)

    def __init__(self) -> None:
        super().__init__()
        self._put = 0

    def put(self, *messages: bytes) -> int:
        """Add these; the number of the last one."""
        self.extend(messages)
        self._put += len(messages)
        return self._put

    def gone(self, number: int) -> bool:
        """True when the message of this number was taken."""
        return number <= self._put - len(self)

    def waiting(self, numbers: Iterable[int]) -> list[int]:
        """Those of these numbers that were not taken yet."""
        return [number for number in numbers if not self.gone(number)]
