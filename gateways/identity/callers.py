"""Who speaks on a connection of the Workload API: a unix user, and whom Kubernetes says its token is of."""

from __future__ import annotations

import asyncio
import time
from typing import Protocol

from federation.model.handout import UnixUser
from federation.model.tokens import ServiceAccount
from gateways.identity.process import PeerProcess
from gateways.identity.registered import Caller

GOOD_FOR = 300.0
"""Seconds for which Kubernetes' word counts on an open connection; then it is asked again."""


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
        self._asked = 0.0
        self._asking = asyncio.Lock()

    async def caller(self, by_token: bool) -> Caller:
        """Who it is; Kubernetes is asked when `by_token`. Refused (E105) and Unavailable as `token` and `attest`."""
        if not by_token:
            return Caller(self.user)
        async with self._asking:
            if self._found is None or time.monotonic() - self._asked > GOOD_FOR:
                self._found = None
                token = await asyncio.to_thread(self._process.token)
                self._found, self._asked = await self._attestor.attest(token), time.monotonic()
        return Caller(self.user, self._found)

    def close(self) -> None:
        """The connection is gone."""
        self._process.close()
