"""One verdict from those of several probes of one target. Pure."""

from collections.abc import Sequence

from federation.health.verdict import Verdict


def composed(before: Verdict, parts: Sequence[Verdict], need: int, now: int) -> Verdict:
    """Up while at least `need` parts are (0: all), down when so many cannot be up; else what is unknown decides, and
    what was believed stays. A single part's verdict is the target's.
    """
    if len(parts) == 1:
        return parts[0] if parts[0].up is not None else before
    enough = min(need or len(parts), len(parts))
    if sum(one.up is True for one in parts) >= enough:
        up = True
    elif sum(one.up is not False for one in parts) < enough:
        up = False
    else:
        return before
    if up == before.up:
        return before
    return Verdict(up=up, since=0 if up and before.up is None else now)
