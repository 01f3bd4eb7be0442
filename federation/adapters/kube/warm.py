"""The cluster of a controller that has replicas: followed all the time, led now and then."""

from __future__ import annotations

import asyncio
import contextlib

from federation.adapters.kube.cluster import Kube
from federation.ports import Wake

STILL = 2.0
"""Seconds that writes under way are given to end before the Lease is given back."""


class WarmKube(Kube):
    """`follow` runs as long as the process, `run` is one leadership: a standby knows the cluster before it leads."""

    async def follow(self) -> None:
        """Follow every kind until cancelled; what is wanted is written while this replica leads."""
        await super().run(lambda key: None)

    async def run(self, wake: Wake) -> None:
        """Wake this loop until cancelled; what it wanted is then wanted by nobody."""
        self._wake = wake
        wake(None)
        try:
            await asyncio.Event().wait()
        finally:
            self._wake = lambda key: None
            self._writer.forget()

    async def still(self) -> None:
        """Wait until no write is under way, but not for ever."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STILL):
                await self._writer.still()
