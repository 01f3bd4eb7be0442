"""How many echoes to keep under way so that a link carries all it can. Pure."""

from msgspec import Struct

FIRST = 4
MOST_BYTES = 16 << 20
"""Under way at most: what 1 Gbit/s carries in 130 ms."""

GROWTH = 1.05
"""A window twice as large that brings less than this much more is not worth its queue."""

LOSS = 0.01


class Period(Struct, frozen=True):
    """What came of a window for a while: bytes that came back, and echoes answered and lost."""

    window: int
    seconds: float
    carried: int
    answered: int
    lost: int

    @property
    def rate(self) -> float:
        """Bytes per second, each way."""
        return self.carried / self.seconds if self.seconds else 0.0

    @property
    def loss(self) -> float:
        """The part that did not come back."""
        return self.lost / max(1, self.answered + self.lost)


def next_window(tried: list[Period], size: int) -> int:
    """The window to try after these, with echoes of so many bytes; 0: the best is among them."""
    if not tried:
        return FIRST
    last = tried[-1]
    larger = last.window * 2
    if last.loss > LOSS or larger * size > MOST_BYTES:
        return 0
    if len(tried) > 1 and last.rate < tried[-2].rate * GROWTH:
        return 0
    return larger


def best_window(tried: list[Period]) -> int:
    """The smallest of those that carry about the most without loss; that with the least loss where all lose."""
    good = [one for one in tried if one.loss <= LOSS and one.answered]
    if not good:
        return min(tried, key=lambda one: (one.loss, one.window)).window
    most = max(one.rate for one in good)
    return min(one.window for one in good if one.rate * GROWTH >= most)
