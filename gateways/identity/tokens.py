"""JWT-SVIDs for this node's processes: kept for half of their life, else asked of a controller."""

import asyncio
import time
from typing import Protocol

from federation.model.errors import Unavailable
from federation.model.spiffe import SpiffeId
from federation.model.tokens import TOKEN_SECONDS

KEPT_MAX = 1_024
ASKING_MAX = 8
"""Questions to the controller at a time: a process that asks in a loop must not crowd out the others' leaves."""

Key = tuple[SpiffeId, tuple[str, ...]]


class TokenSource(Protocol):
    """Where tokens come from: `federation.link.feed.Feed`."""

    async def token(self, identity: SpiffeId, audiences: tuple[str, ...]) -> str:
        """A new JWT-SVID; IsthmusError when there is none now."""


class Tokens:
    """The tokens of this node."""

    def __init__(self, source: TokenSource) -> None:
        self._source = source
        self._kept: dict[Key, tuple[float, str]] = {}
        self._asking = asyncio.Semaphore(ASKING_MAX)

    async def get(self, identity: SpiffeId, audiences: tuple[str, ...]) -> str:
        """A JWT-SVID with life left. Unavailable when none is at hand and no controller issues one."""
        key = (identity, audiences)
        async with self._asking:
            made, token = self._kept.get(key, (0.0, ""))
            age = time.time() - made
            if not 0 <= age < TOKEN_SECONDS / 2:
                try:
                    token = await self._source.token(identity, audiences)
                except Unavailable:
                    if not 0 <= age < TOKEN_SECONDS * 0.9:
                        raise
                else:
                    self._keep(key, token)
        return token

    def _keep(self, key: Key, token: str) -> None:
        self._kept.pop(key, None)
        while len(self._kept) >= KEPT_MAX:
            del self._kept[next(iter(self._kept))]
        self._kept[key] = (time.time(), token)
