"""How fast the API server is asked: periods, limits, and the pause before the next try. Seconds."""

from __future__ import annotations

import asyncio
import contextlib
import random

from msgspec import Struct


class Pace(Struct, frozen=True, kw_only=True):
    """`quiet` is how long a watch may say nothing: an API server sends a bookmark about once a minute.

    `held` is how long a list that lost nearly everything is not obeyed. `absent` is the pause before an unknown kind is
    asked for again. `steady` is how long a watch must have lasted for the pauses to begin small again.
    """

    page: int = 500
    quiet: float = 75.0
    quiet_max: float = 900.0
    watch_min: float = 900.0
    watch_max: float = 1500.0
    first: float = 0.5
    longest: float = 30.0
    held: float = 30.0
    absent: float = 60.0
    steady: float = 60.0
    write_first: float = 0.2
    write_longest: float = 300.0
    in_flight: int = 8

    def watch_seconds(self) -> float:
        """How long the next watch is asked for: spread, so that watches do not end together."""
        return random.uniform(self.watch_min, self.watch_max)  # noqa: S311 - jitter, not a secret


class Backoff:
    """Pauses that double up to `longest`, each between half and whole of its length."""

    def __init__(self, first: float, longest: float) -> None:
        self._first = first
        self._longest = longest
        self._next = first

    def pause(self, at_least: float = 0.0) -> float:
        """The next pause in seconds; not shorter than what the API server asked for."""
        length, self._next = self._next, min(2 * self._next, self._longest)
        return max(at_least, length * random.uniform(0.5, 1.0))  # noqa: S311 - jitter, not a secret

    def reset(self) -> None:
        """It went well: begin small again."""
        self._next = self._first


class Outage:
    """Who waits for the API server to answer again. The first that it answers wakes the others; but once in `longest`
    seconds, so that one that answers and breaks off is not asked faster and faster.
    """

    def __init__(self, longest: float) -> None:
        self._longest = longest
        self._over = asyncio.Event()
        self._last: float | None = None

    async def wait(self, seconds: float) -> None:
        """That long, or until it is over."""
        over = self._over
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await over.wait()

    def over(self) -> None:
        """The API server answered one that it did not answer before."""
        now = asyncio.get_running_loop().time()
        if self._last is None or now - self._last >= self._longest:
            self._last = now
            self._over.set()
            self._over = asyncio.Event()
