"""Keeps a leaf for every identity that the node needs, from disk at once and from a controller when one answers."""

import asyncio
import contextlib
from collections.abc import Iterable
from typing import Protocol

from federation.link.leaf import Leaf
from federation.model.errors import IsthmusError
from federation.model.spiffe import SpiffeId
from gateways.render.envoy.resources import Certificate

RETRY = 1.0
"""Seconds between attempts for an identity that could not be had."""


class LeafSource(Protocol):
    """Where leaves come from: `federation.link.feed.Feed`."""

    svid_changed: asyncio.Event

    async def svid(self, identity: SpiffeId) -> Leaf:
        """The leaf of this identity; IsthmusError when there is none now."""

    def forget(self, identity: SpiffeId) -> None:
        """It is not wanted any more."""


class Keeper:
    """`certificates` by identity text; `changed` is set when they changed."""

    def __init__(self, source: LeafSource) -> None:
        self.certificates: dict[str, Certificate] = {}
        self.problems: dict[str, str] = {}
        self.changed = asyncio.Event()
        self._source = source
        self._wanted: dict[str, SpiffeId] = {}
        self._wake = asyncio.Event()

    def want(self, identities: Iterable[SpiffeId]) -> None:
        """From now on keep leaves for exactly these."""
        wanted = {str(identity): identity for identity in identities}
        if wanted == self._wanted:
            return
        self._wanted = wanted
        self.problems = {name: text for name, text in self.problems.items() if name in wanted}
        for name in self._wanted.keys() - wanted.keys():
            self._source.forget(self._wanted[name])
        self._wake.set()

    def tried(self) -> bool:
        """True when every wanted identity was tried at least once: what is missing now is really missing."""
        return self._wanted.keys() <= self.certificates.keys() | self.problems.keys()

    async def run(self) -> None:
        """Fetch what is missing and take up renewals, until cancelled."""
        while True:
            self._wake.clear()
            self._source.svid_changed.clear()
            await asyncio.gather(*(self._refresh(name, identity) for name, identity in self._wanted.items()))
            self._forget()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._something(), RETRY if self.problems else None)

    async def _refresh(self, name: str, identity: SpiffeId) -> None:
        try:
            leaf = await self._source.svid(identity)
        except IsthmusError as error:
            if self.problems.get(name) != str(error):
                self.problems[name] = str(error)
                self.changed.set()
            return
        certificate = Certificate(leaf.chain, leaf.key)
        if self.problems.pop(name, None) is not None or self.certificates.get(name) != certificate:
            self.certificates[name] = certificate
            self.changed.set()

    def _forget(self) -> None:
        for name in self.certificates.keys() - self._wanted.keys():
            del self.certificates[name]

    async def _something(self) -> None:
        waits = [asyncio.ensure_future(event.wait()) for event in (self._wake, self._source.svid_changed)]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
