"""What the agent asks of a kernel. Every port reads what really stands there and applies steps made from it.

All calls block for milliseconds; the loop runs them in a thread. Failures are `Unavailable` with one line.
"""

from collections.abc import Iterable
from typing import Protocol

from gateways.render import nft, routes, wireguard


class WireGuard(Protocol):
    """WireGuard devices."""

    def read(self, device: str) -> wireguard.Actual | None:
        """What the device holds; None when there is no such device."""

    def apply(self, steps: Iterable[wireguard.Step]) -> None:
        """Do these steps in order. Peers that no step names are left alone."""


class Routes(Protocol):
    """Links with addresses and our routes."""

    def read(self, device: str) -> routes.Link | None:
        """The link with its global addresses and those routes that bear our protocol number; None without a link."""

    def apply(self, steps: Iterable[routes.Step]) -> None:
        """Do these steps in order; adding what is there and removing what is not there succeed."""

    def rules(self) -> tuple[tuple[int, str], ...]:
        """The tables that our rules lead to, by family (`routes.AddRule`)."""

    def apply_rules(self, steps: Iterable[routes.RuleStep]) -> None:
        """Do these steps in order, as `apply` does."""


class Filter(Protocol):
    """nft tables."""

    def read(self, table: str) -> str | None:
        """The fingerprint of the table as it stands, counters and handles left out; None without a table."""

    def apply(self, table: nft.Table, before: nft.Table | None = None) -> None:
        """Replace the table in one transaction; `before` stands there now, where that is known."""

    def remove(self, table: str) -> None:
        """Remove the table; removing the absent succeeds."""


class Kernel(Protocol):
    """The three ports of one node."""

    @property
    def wireguard(self) -> WireGuard:
        """Its WireGuard devices."""

    @property
    def routes(self) -> Routes:
        """Its links and routes."""

    @property
    def filter(self) -> Filter:
        """Its nft tables."""

    def named(self, prefix: str) -> tuple[str, ...]:
        """The links whose names begin so."""
