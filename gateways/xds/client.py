"""What both variants say of one client, from what its channels keep."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Generic, Protocol, TypeVar

from gateways.xds.messages import CDS, LDS
from gateways.xds.refusal import Refused, Rejected, told


class Keeping(Protocol):
    """One type on one stream."""

    def held(self) -> int:
        """How many names the client makes us remember."""

    def settled(self) -> bool:
        """True when the client acknowledged everything that it wants."""


Kept = TypeVar("Kept", bound=Keeping)


class Client(ABC, Generic[Kept]):
    """One client, by the types that it asked for."""

    def __init__(self) -> None:
        self._channels: dict[str, Kept] = {}

    def settled(self) -> bool:
        """True when the client asked for clusters and listeners and acknowledged everything that it wants to hold."""
        if CDS not in self._channels or LDS not in self._channels:
            return False
        return all(channel.settled() for channel in self._channels.values())

    def holds(self, type_url: str) -> bool:
        """True when the client asked for resources of this type and acknowledged them."""
        return type_url in self._channels and self._channels[type_url].settled()

    def held(self) -> int:
        """How many names the client makes us remember."""
        return sum(channel.held() for channel in self._channels.values())

    def refused(self) -> tuple[Refused, ...]:
        """What the client refuses of the present content, in its own words."""
        return tuple(
            one
            for type_url, channel in sorted(self._channels.items(), key=lambda item: item[0])
            for one in told(type_url, self._present(type_url, channel))
        )

    def problems(self) -> tuple[str, ...]:
        """The same, one line each."""
        return tuple(map(str, self.refused()))

    @abstractmethod
    def _present(self, type_url: str, channel: Kept) -> Mapping[str, Rejected]:
        """What was refused and is still what there is."""
