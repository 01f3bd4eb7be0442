"""The in-memory twin of the ports: keeps real state, and can be told to fail."""

import asyncio
from collections.abc import Iterable, Mapping

import msgspec
from msgspec import Struct

from federation.adapters.objects import ObjectKey, OverObjects
from federation.model.errors import Unavailable
from federation.ports import Certainty, Wake, Wanted
from federation.wire.k8s.types import K8sObject, Node, Pod


class MemoryCluster(OverObjects):
    """A ClusterApi that a test or a dry run fills by hand."""

    def __init__(self, default_az: str = "az-1", native: bool = False) -> None:
        self.native = native
        super().__init__(default_az)
        self._wake: Wake = lambda key: None
        self.certainty: Certainty = "fresh"
        self.problems: tuple[str, ...] = ()
        self.completed = False
        self.wanted: dict[str, tuple[Wanted, ...]] = {}

    def put(self, value: K8sObject | Node | Pod) -> None:
        """Create or replace an object."""
        self._tell(self._objects.put(value), self._wake)

    def drop(self, key: ObjectKey) -> None:
        """Delete an object."""
        self._tell(self._objects.drop(key), self._wake)

    def want(self, owner: str, objects: Iterable[Wanted]) -> None:
        """Keep what is wanted, by owner, for a test to look at."""
        self.wanted[owner] = tuple(objects)
        if not self.wanted[owner]:
            del self.wanted[owner]

    def complete(self) -> None:
        """Note it, for a test to look at."""
        self.completed = True

    async def run(self, wake: Wake) -> None:
        """Wake on every change until cancelled."""
        self._wake = wake
        wake(None)
        await asyncio.Event().wait()


class MemoryStore:
    """A Store in a dict. `fail_at` makes the write with that number (1: the first) fail, `unconfirmed` every flush."""

    def __init__(self, fail_at: int = 0) -> None:
        self.content: dict[str, bytes] = {}
        self.unconfirmed = False
        self.problems: tuple[str, ...] = ()
        self._writes = 0
        self._fail_at = fail_at

    def get(self, key: str) -> bytes | None:
        """The value, or None."""
        return self.content.get(key)

    def put(self, key: str, value: bytes) -> None:
        """Set the value."""
        self._count()
        self.content[key] = value

    def drop(self, key: str) -> None:
        """Forget the key."""
        self._count()
        self.content.pop(key, None)

    def items(self, prefix: str) -> dict[str, bytes]:
        """Every key with this prefix."""
        return {key: value for key, value in self.content.items() if key.startswith(prefix)}

    async def flush(self) -> None:
        """Unavailable when told so."""
        if self.unconfirmed:
            raise Unavailable("store: told not to confirm")

    def _count(self) -> None:
        self._writes += 1
        if self._writes == self._fail_at:
            raise Unavailable("store: told to fail")


class MemoryJournal:
    """A Journal in a list."""

    def __init__(self) -> None:
        self.noted: list[tuple[int, str, bytes]] = []

    def note(self, at: int, values: Mapping[str, Struct | None]) -> None:
        """From the Unix millisecond `at` these keys have these values."""
        self.noted += [(at, key, msgspec.json.encode(value)) for key, value in values.items()]

    problems: tuple[str, ...] = ()

    def standing(self) -> set[str]:
        """The keys that have a value."""
        last = {key: data for _, key, data in self.noted}
        return {key for key, data in last.items() if data != b"null"}

    def find(self, key: str, at: int) -> bytes | None:
        """The JSON of the value that the key had at that millisecond."""
        found = [data for when, name, data in self.noted if name == key and when <= at]
        return found[-1] if found and found[-1] != b"null" else None


class ManualClock:
    """A clock that moves when told."""

    def __init__(self, now: float = 1_000_000.0) -> None:
        self._now = now

    def advance(self, seconds: float) -> None:
        """Move on."""
        self._now += seconds

    def monotonic(self) -> float:
        """Seconds that never go back."""
        return self._now

    def wall(self) -> float:
        """Unix seconds."""
        return self._now
