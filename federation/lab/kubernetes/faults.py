"""Faults on demand: what a test or a person asks this server to do wrong, in process or by `PUT /_faults`."""

import asyncio

import msgspec


class Answer(msgspec.Struct, forbid_unknown_fields=True):
    """The next `count` requests whose path has `path` in it (any, when empty) are answered `code`.

    `retry_after` is a header in seconds. `body` replaces the Status that is sent otherwise.
    """

    code: int
    count: int = 1
    path: str = ""
    method: str = ""
    retry_after: int | None = None
    body: str | None = None


class Faults(msgspec.Struct, forbid_unknown_fields=True):
    """All faults in force. Times are seconds.

    `stalled`: watches are accepted and then silent. `truncate`: so many answers end in the middle of their JSON.
    `slow`: the pause before each 64 bytes of an answer. `stale_at`: lists that ask for no version are of this one.
    `empty`: lists have no items. `duplicates`: every event is sent twice. `no_watch_list`: as a server whose etcd
    cannot report progress. `gone_status`: a forgotten version is refused by HTTP status, not by an ERROR event.
    """

    answers: list[Answer] = []
    stalled: bool = False
    truncate: int = 0
    slow: float = 0
    stale_at: int | None = None
    empty: bool = False
    duplicates: bool = False
    no_watch_list: bool = False
    gone_status: bool = False


class Acts(msgspec.Struct, forbid_unknown_fields=True):
    """What happens once, by `POST /_faults`: end all watches, forget history, bookmark every watch."""

    cut: bool = False
    compact: bool = False
    bookmark: bool = False


class Disturbance:
    """The faults in force, and what open watches wait for."""

    def __init__(self) -> None:
        self.now = Faults()
        self.cuts = 0
        self.bookmarks = 0
        self.changed = asyncio.Event()

    def set(self, faults: Faults) -> None:
        """Put these faults in force in place of all before."""
        self.now = faults
        self.wake()

    def cut_watches(self) -> None:
        """End every open watch, mid-stream."""
        self.cuts += 1
        self.wake()

    def bookmark(self) -> None:
        """Send a bookmark to every watch that allows them."""
        self.bookmarks += 1
        self.wake()

    def wake(self) -> None:
        """Let every watch look again."""
        self.changed.set()
        self.changed = asyncio.Event()

    def answer(self, method: str, path: str) -> Answer | None:
        """The answer that a request gets in place of its own, counted down."""
        for one in self.now.answers:
            if one.count > 0 and one.path in path and one.method in ("", method):
                one.count -= 1
                return one
        return None

    def truncated(self) -> bool:
        """Whether this answer ends in the middle, counted down."""
        if self.now.truncate <= 0:
            return False
        self.now.truncate -= 1
        return True
