"""The packet path beside the Python responder: the same datagram to both, and what one of them says otherwise."""

from __future__ import annotations

from collections import Counter

from gslb.client import Client
from gslb.compiled import change_of, parts_of, stand_of, wire_of
from gslb.options import Itself
from gslb.packed import Packed
from gslb.steer import Steering
from gslb.wire import Reply, respond
from gslb_packet import Responder


class BothPaths:
    """One steering in both. `said` counts what became of the datagrams: by code, or `handed`, `silent`."""

    def __init__(self, steering: Steering, itself: Itself) -> None:
        self.steering = steering
        self._itself = itself
        self.fast = Responder(1, bytes(16), 0, 0, False)
        self.fast.secrets(itself.secrets)
        self.said: Counter[str] = Counter()
        self.put(steering, None)

    def put(self, steering: Steering, before: Steering | None) -> None:
        """Another steering, told as a change from the one before."""
        self.steering = steering
        self._packed = Packed(steering, self._whole)
        self.fast.change(change_of(steering, before))

    def _whole(self, data: bytes, client: Client, now: int) -> Reply | None:
        return respond(self.steering, data, client, False, now, self._itself)

    def of_rust(self, data: bytes, address: str, now: int) -> bytes | None:
        """The packet path's response, told what it misses; None when it hands over."""
        for _ in range(4):
            found = self.fast.respond(data, address, now)
            if not isinstance(found, tuple):
                return found
            host, kind, stand = found
            outcome = self.steering.outcome(host, kind, stand_of(self.steering.table, stand), now)
            self.fast.outcome(wire_of(host), kind, stand, outcome.until, parts_of(kind, outcome))
        raise AssertionError(f"still misses {found!r}")

    def differs(self, data: bytes, address: str, now: int) -> str:
        """How the two responses to a datagram differ ("": not, or it is Python's alone to answer)."""
        fast, found = self.of_rust(data, address, now), self._packed.respond(data, address, now)
        if fast is None:
            self.said["handed"] += 1
            return ""
        slow = found[0] if found else b""
        self.said[f"code {slow[3] & 15}{' cut' * (slow[2] >> 1 & 1)}" if slow else "silent"] += 1
        return "" if fast == slow else f"{data.hex()} from {address} at {now}: {fast.hex()} {slow.hex()}"
