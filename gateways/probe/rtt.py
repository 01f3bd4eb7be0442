"""Round trips to peers' gateways, smoothed. Pure: `now` in seconds comes from the caller."""

from msgspec import Struct

EXPIRES = 10.0
"""Seconds without an answer after which a round trip is unknown again."""

PENDING = 16


class _Path(Struct):
    sent: dict[int, float]
    smoothed: float | None = None
    heard: float = 0.0


class RoundTrips:
    """Matches answers to probes by address and sequence, and keeps a smoothed round trip per address."""

    def __init__(self) -> None:
        self._paths: dict[str, _Path] = {}
        self._sequence = 0

    def begin(self, addresses: list[str], now: float) -> int:
        """A round of probes to these addresses leaves now; its sequence number, 0 to 65535. Others are forgotten."""
        self._sequence = (self._sequence + 1) & 0xFFFF
        self._paths = {address: self._paths.get(address) or _Path({}) for address in addresses}
        for path in self._paths.values():
            path.sent[self._sequence] = now
            for old in list(path.sent)[:-PENDING]:
                del path.sent[old]
        return self._sequence

    def answer(self, address: str, sequence: int, now: float) -> None:
        """An answer arrived. What was not asked, or was answered already, says nothing."""
        path = self._paths.get(address)
        sent = path.sent.pop(sequence, None) if path is not None else None
        if path is None or sent is None:
            return
        took = now - sent
        path.smoothed = took if path.smoothed is None else path.smoothed + (took - path.smoothed) / 8
        path.heard = now

    def microseconds(self, address: str, now: float) -> int:
        """The smoothed round trip (RFC 6298 section 2, alpha 1/8), or -1 when there was no answer of late."""
        path = self._paths.get(address)
        if path is None or path.smoothed is None or now - path.heard > EXPIRES:
            return -1
        return int(path.smoothed * 1_000_000)
