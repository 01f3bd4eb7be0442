"""The service accounts of pods that were found good on this node, each for as long as the controller says."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from federation.model.errors import Unavailable
from federation.model.tokens import ServiceAccount
from gateways.identity.callers import Attestor


class Attested:
    """Asks the controller, and remembers whom it answers for. `changed` is set when there is one more."""

    def __init__(self, source: Attestor, clock: Callable[[], float] = time.monotonic) -> None:
        self.changed = asyncio.Event()
        self._source = source
        self._clock = clock
        self._until: dict[tuple[str, str], float] = {}
        self._lasts: dict[tuple[str, str], int] = {}

    async def attest(self, token: str) -> ServiceAccount:
        """The account of this token. Refused, Unavailable."""
        try:
            found = await self._source.attest(token)
        except Unavailable:
            self._extend()
            raise
        if found.lasts:
            who = (found.namespace, found.name)
            if who not in self._until:
                self.changed.set()
            self._lasts[who] = found.lasts
            self._until[who] = max(self._until.get(who, 0.0), self._clock() + found.lasts)
        return found

    def _extend(self) -> None:
        """While nobody can be asked, the last word stands."""
        now = self._clock()
        self._until = {who: max(until, now + self._lasts[who]) for who, until in self._until.items()}

    def accounts(self) -> tuple[tuple[str, str], ...]:
        """(namespace, name) of those that count now."""
        now = self._clock()
        self._until = {who: until for who, until in self._until.items() if until > now}
        self._lasts = {who: self._lasts[who] for who in self._until}
        return tuple(sorted(self._until))
