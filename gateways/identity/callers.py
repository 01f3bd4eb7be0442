"""Who speaks on a connection of the Workload API: a unix user, and whom Kubernetes says its token is of."""

from __future__ import annotations

import asyncio
import time
from typing import Protocol

from federation.model.errors import Refused, Unavailable
from federation.model.handout import UnixUser
from federation.model.tokens import ServiceAccount
from gateways.identity.process import PeerProcess
from gateways.identity.registered import Caller

REFUSED_FOR = 5.0
"""Seconds for which a connection that was refused is refused again without asking."""

GOOD_FOR = 300.0
"""Seconds for which Kubernetes' word counts on an open connection; then it is asked again."""

ASKED_AFTER = 0.8
"""The part of what the controller's word lasts after which it is asked again."""


class Attestor(Protocol):
    """Who knows whose a token is: `federation.link.feed.Feed`."""

    async def attest(self, token: str) -> ServiceAccount:
        """The account of this token. Refused when it is none's; Unavailable when nobody can be asked."""


class Connection:
    """The caller of one connection."""

    def __init__(self, user: UnixUser, process: PeerProcess, attestor: Attestor) -> None:
        self.user = user
        self._process = process
        self._attestor = attestor
        self._found: ServiceAccount | None = None
        self._refused: Refused | None = None
        self._asked = 0.0
        self._asking = asyncio.Lock()

    async def caller(self, by_token: bool) -> Caller:
        """Who it is; Kubernetes is asked when `by_token`. Refused (E105) and Unavailable as `token` and `attest`."""
        if not by_token:
            return Caller(self.user)
        async with self._asking:
            age = time.monotonic() - self._asked
            if self._refused is not None and age < REFUSED_FOR:
                raise self._refused
            if self._found is None or age > self._good_for():
                await self._ask()
        return Caller(self.user, self._found)

    def due(self) -> float | None:
        """Seconds until Kubernetes should be asked again while a call is open; None: it need not be."""
        lasts = 0 if self._found is None else self._found.lasts
        return max(1.0, self._asked + ASKED_AFTER * lasts - time.monotonic()) if lasts else None

    def _good_for(self) -> float:
        lasts = 0 if self._found is None else self._found.lasts
        return min(GOOD_FOR, ASKED_AFTER * lasts) if lasts else GOOD_FOR

    async def _ask(self) -> None:
        """Ask anew. Where nobody can be asked, the last word stands."""
        self._refused, self._asked = None, time.monotonic()
        try:
            token = await asyncio.to_thread(self._process.token)
            self._found = await self._attestor.attest(token)
        except Refused as error:
            self._found, self._refused = None, error
            raise
        except Unavailable:
            if self._found is None:
                raise

    def close(self) -> None:
        """The connection is gone."""
        self._process.close()
