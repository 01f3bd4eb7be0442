"""What the disk did not take: the program goes on from memory, tries again, and says so."""

from collections.abc import Callable


class Disk:
    """Writes on behalf of a program that must not stop for a full disk."""

    def __init__(self) -> None:
        self._failed: dict[str, str] = {}

    @property
    def problems(self) -> tuple[str, ...]:
        """One line for each thing whose last write failed."""
        return tuple(
            f"{what} is not on disk: {why}; it is served from memory, and a restart would find the one before"
            for what, why in sorted(self._failed.items())
        )

    def keep(self, what: str, write: Callable[[], None]) -> bool:
        """Do this write; False when the disk does not take it."""
        try:
            write()
        except OSError as error:
            self._failed[what] = error.strerror or str(error)
            return False
        self._failed.pop(what, None)
        return True

    def forget(self, what: str) -> None:
        """It need not be on disk any more."""
        self._failed.pop(what, None)
