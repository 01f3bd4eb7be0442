"""Which frames are carried, delivered or dropped. Pure: time comes from the caller."""

from collections.abc import Iterable
from typing import Literal

from msgspec import Struct

from gateways.relay.frame import FROM, TO, Frame, packed, unpacked
from gateways.state import Tunnel

PACKETS, BYTES = 2_000, 2_500_000
"""What is taken of one member in a second: 20 Mbit/s, about a tenth of what this program can carry."""

Reason = Literal["unreadable", "stranger", "no carrier", "not carried", "unknown", "back", "rate"]


class Far(Struct, frozen=True):
    """A gateway of another member as this one speaks with it: over `device`, whose UDP port is `port`."""

    member: str
    number: int
    gateway: int
    overlay: str
    key: bytes
    device: str
    port: int
    relay: bool

    @property
    def place(self) -> tuple[str, bytes]:
        """What the kernel knows it by."""
        return self.device, self.key


class Pass(Struct, frozen=True):
    """Send this to the gateway at the other side."""

    to: Far
    data: bytes


class Deliver(Struct, frozen=True):
    """Give this datagram of that gateway to WireGuard; `via` brought it."""

    far: Far
    via: Far
    datagram: bytes


def fars(tunnels: Iterable[Tunnel]) -> tuple[Far, ...]:
    """The gateways of other members that these devices lead to. None under a spare key: there is a link beside it."""
    return tuple(
        Far(p.member, p.number, p.gateway, p.overlay, p.key, tunnel.device, tunnel.listen_port, p.relay)
        for tunnel in tunnels
        if tunnel.rail
        for p in tunnel.peers
        if not p.spare
    )


def after(held: Far | None, found: Iterable[Far]) -> Far | None:
    """Who is asked next of those that carry, by address, each after the one before; None where there is nobody."""
    ordered = sorted(found, key=lambda one: one.overlay)
    later = (one for one in ordered if held is not None and one.overlay > held.overlay)
    return next(later, ordered[0] if ordered else None)


class Allowance:
    """A token bucket that holds one second's worth."""

    def __init__(self, rate: float, now: float) -> None:
        self._rate = self._left = rate
        self._at = now

    def take(self, amount: float, now: float) -> bool:
        """True when that much is left; else nothing is taken."""
        self._left = min(self._rate, self._left + (now - self._at) * self._rate)
        self._at = now
        if amount > self._left:
            return False
        self._left -= amount
        return True


class Carrier:
    """Who is who, and how much each member has sent. `carries` when we carry for others."""

    def __init__(self, carries: bool) -> None:
        self.carries = carries
        self.known: tuple[Far, ...] = ()
        self._by_overlay: dict[str, Far] = {}
        self._by_id: dict[tuple[int, int], Far] = {}
        self._packets: dict[int, Allowance] = {}
        self._bytes: dict[int, Allowance] = {}

    def know(self, found: tuple[Far, ...]) -> None:
        """These are the gateways of others."""
        self.known = found
        self._by_overlay = {one.overlay: one for one in found}
        self._by_id = {(one.number, one.gateway): one for one in found}
        numbers = {one.number for one in found}
        self._packets = {number: held for number, held in self._packets.items() if number in numbers}
        self._bytes = {number: held for number, held in self._bytes.items() if number in numbers}

    def judge(self, data: bytes, source: str, now: float) -> Pass | Deliver | Reason:
        """What to do with these bytes from this overlay address, which its tunnel has proven; why they are dropped."""
        near = self._by_overlay.get(source)
        if near is None:
            return "stranger"
        if not self._affords(near.number, len(data), now):
            return "rate"
        frame = unpacked(data)
        if frame is None:
            return "unreadable"
        far = self._by_id.get((frame.number, frame.gateway))
        if far is None:
            return "unknown"
        if far.member == near.member:
            return "back"
        return self._carried(near, far, frame) if frame.kind == TO else self._delivered(near, far, frame)

    def _carried(self, near: Far, far: Far, frame: Frame) -> Pass | Reason:
        if not self.carries:
            return "not carried"
        return Pass(far, packed(Frame(FROM, near.number, near.gateway, frame.datagram)))

    def _delivered(self, near: Far, far: Far, frame: Frame) -> Deliver | Reason:
        return Deliver(far, near, frame.datagram) if near.relay else "no carrier"

    def _affords(self, number: int, size: int, now: float) -> bool:
        packets = self._packets.setdefault(number, Allowance(PACKETS, now))
        amount = self._bytes.setdefault(number, Allowance(BYTES, now))
        return packets.take(1, now) and amount.take(size, now)
