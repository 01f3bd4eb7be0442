"""Traffic that an operator moves by hand, as ages: every program computes the same part of the way from them."""

from collections.abc import Iterable

from msgspec import Struct

from federation.model.names import MemberName, ServiceKey

STEPS = 10
"""A move that takes time goes in so many equal steps."""
SECONDS_MAX = 86_400
"""The longest that a move may take."""
REASON_MAX = 1_024
"""Characters of the reason of a move."""


class Leaving(Struct, frozen=True):
    """A member is drained since this Unix millisecond, over so many seconds (0: at once)."""

    since: int
    seconds: int = 0


class Order(Struct, frozen=True):
    """A drain that somebody asked for: since this Unix millisecond, over so many seconds, and why."""

    since: int
    seconds: int = 0
    reason: str = ""

    @property
    def leaving(self) -> Leaving:
        """What the law is told of it."""
        return Leaving(self.since, self.seconds)


class Manner(Struct, frozen=True, kw_only=True):
    """How a move shall be made: over so many seconds, why, against the safety rules, or not at all (`dry`), and then as
    if for `everyone`, which is for the ledger to say.
    """

    seconds: int = 0
    reason: str = ""
    force: bool = False
    dry: bool = False
    everyone: bool = False


class Orders(Struct, frozen=True):
    """What our controller says of moves to our own programs, which take drains themselves while it is dead. Key
    `orders`.

    `decided` is when (Unix millisecond) somebody last drained or undrained a member there: a drain that a program took
    before that is over. `frozen`: why no move is accepted now, "" when moves are.
    """

    decided: dict[str, int] = {}
    frozen: str = ""


class Shift(Struct, frozen=True, kw_only=True):
    """Of what the law gives `source` for the service, this part (ppm) goes to `to` instead, since this Unix millisecond
    over so many seconds. Key `shift/<service>/<source>/<to>` of a record, where it counts for the owner as `source`
    alone.
    """

    service: ServiceKey
    source: MemberName
    to: MemberName
    ppm: int
    since: int
    seconds: int = 0


def moved(since: int, seconds: int, now: int) -> int:
    """How much of a move is done at this Unix millisecond, in STEPS-ths; the first step is taken at once."""
    if seconds <= 0:
        return STEPS
    return min(STEPS, max(0, now - since) * STEPS // (seconds * 1_000) + 1)


def soonest(found: Iterable[Leaving]) -> Leaving | None:
    """Of several drains of one member the one that is over first; None for none."""
    return min(found, key=lambda one: (one.since + one.seconds * 1_000, one.since), default=None)
