"""JWT-SVIDs for this node's processes: kept for half of their life, else asked of a controller."""

import asyncio
import math
import time
from typing import Protocol

from federation.model.errors import Unavailable
from federation.model.spiffe import SpiffeId
from federation.model.tokens import TOKEN_SECONDS

KEPT_MAX = 256
"""Tokens of one identity."""
ASKING_MAX = 4
"""Questions to the controller at a time, for one identity: a process that asks in a loop must not crowd out others."""


class TokenSource(Protocol):
    """Where tokens come from: `federation.link.feed.Feed`."""

    async def token(self, identity: SpiffeId, audiences: tuple[str, ...]) -> str:
        """A new JWT-SVID; IsthmusError when there is none now."""


class OfIdentity:
    """One identity's tokens, by audiences: what it asks for is no other's loss."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, ...], tuple[float, str]] = {}
        self.asking = asyncio.Semaphore(ASKING_MAX)

    def age(self, audiences: tuple[str, ...]) -> float:
        """Seconds since the token was made; endless when there is none, or the clock was set back."""
        made, _ = self.kept.get(audiences, (math.inf, ""))
        age = time.time() - made
        return age if age >= 0 else math.inf

    def keep(self, audiences: tuple[str, ...], token: str) -> None:
        """Remember this token."""
        self.kept.pop(audiences, None)
        while len(self.kept) >= KEPT_MAX:
            del self.kept[next(iter(self.kept))]
        self.kept[audiences] = (time.time(), token)


class Tokens:
    """The tokens of this node."""

    def __init__(self, source: TokenSource) -> None:
        self._source = source
        self._identities: dict[SpiffeId, OfIdentity] = {}

    async def get(self, identity: SpiffeId, audiences: tuple[str, ...]) -> str:
        """A JWT-SVID with life left. Unavailable when none is at hand and no controller issues one."""
        one = self._identities.setdefault(identity, OfIdentity())
        if one.age(audiences) < TOKEN_SECONDS / 2:
            return one.kept[audiences][1]
        async with one.asking:
            age = one.age(audiences)
            if age >= TOKEN_SECONDS / 2:
                try:
                    one.keep(audiences, await self._source.token(identity, audiences))
                except Unavailable:
                    if age >= TOKEN_SECONDS * 0.9:
                        raise
            return one.kept[audiences][1]
