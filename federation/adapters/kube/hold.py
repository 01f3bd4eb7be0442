"""A list that lost nearly everything, or went back in time, is not obeyed at once. Pure."""

FEW = 2
"""Up to this many objects of a kind may be gone at once without a second look."""
SHARE = 10


class Hold:
    """Whether what a new list no longer holds is gone. `seconds`: how long a suspicion lasts."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._since: float | None = None

    def until(self) -> float | None:
        """The moment of the second look, while something is held."""
        return None if self._since is None else self._since + self._seconds

    def obey(self, suspicious: bool, now: float) -> bool:
        """Judge a whole list at the moment `now`: True when it counts."""
        if not suspicious:
            self._since = None
            return True
        if self._since is None:
            self._since = now
        if now < self._since + self._seconds:
            return False
        self._since = None
        return True


def suspect(known: int, there: int) -> bool:
    """Whether a list with `there` objects, where we knew `known`, lost nearly everything."""
    return known > FEW and there * 100 < known * SHARE
