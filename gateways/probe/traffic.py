"""Which links carry requests, by WireGuard's counters. Pure."""

from collections.abc import Mapping

BUSY_FROM = 4_000
"""Bytes received a second; the answers to our own probes are about a fifth of that."""


class Traffic:
    """Remembers the counters of the last look."""

    def __init__(self) -> None:
        self._seen: dict[str, int] = {}
        self._at = 0.0
        self.busy: frozenset[str] = frozenset()

    def look(self, received: Mapping[str, int], now: float) -> None:
        """Counters by overlay address, at this monotonic second; looks closer than a second apart are passed over."""
        took = now - self._at
        if took < 1.0:
            return
        rates = {address: (count - self._seen.get(address, count)) / took for address, count in received.items()}
        self.busy = frozenset(address for address, rate in rates.items() if rate >= BUSY_FROM)
        self._seen, self._at = dict(received), now
