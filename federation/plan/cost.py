"""The cost of reaching a member: its round trip in milliseconds, held still against noise. Pure."""

STILL_PERCENT = 20
STILL_MS = 5


def settled_cost(held: int | None, rtt_us: int) -> int:
    """The held cost while the round trip stays within 20 % or 5 ms of it, whichever is more; else the new one.

    A cost is an input of every node's law: were it to follow each measurement, every handout would change every second.
    """
    fresh = (rtt_us + 500) // 1000
    if held is None or abs(fresh - held) > max(STILL_MS, held * STILL_PERCENT // 100):
        return fresh
    return held
