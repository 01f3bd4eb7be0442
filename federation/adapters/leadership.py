"""Several controllers of one member over one store: one leads, the others follow."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Protocol

from msgspec import Struct

from federation.model.errors import Unavailable
from federation.ports import Store


class Deposed(Unavailable):
    """Another controller led meanwhile: what this one holds in memory is old. Follow anew."""


class Leader(Struct, frozen=True, kw_only=True):
    """Who leads, by what a follower sees. `address` is where its link server listens, "" when that is not known;
    `since` RFC 3339, as the leader's own clock had it; `age` the seconds since it was last seen to live.
    """

    identity: str
    address: str = ""
    since: str = ""
    age: float | None = None


class SharedStore(Store, Protocol):
    """A Store for as long as this controller leads."""

    @property
    def leads(self) -> bool:
        """True while this controller holds the leadership, as far as it knows."""

    @property
    def leader(self) -> Leader | None:
        """Who leads, while another one does."""

    async def follow(self) -> None:
        """Wait for the leadership, then have what the store has."""

    async def keep(self) -> None:
        """Hold the leadership until cancelled, through outages. Deposed when another one led."""

    async def resign(self) -> None:
        """Give the leadership back at once, if that can be told."""


class Replicas(Protocol):
    """This process as one of the controllers of its member."""

    @property
    def identity(self) -> str:
        """This process and no other."""

    @property
    def warm(self) -> bool:
        """True where the cluster is followed while another one leads."""

    def store(self) -> SharedStore:
        """The store for the next leadership."""

    def running(self) -> AbstractAsyncContextManager[None]:
        """What goes on whoever leads."""
