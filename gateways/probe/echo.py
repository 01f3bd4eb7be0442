"""ICMPv6 echo (RFC 4443 section 4) through the tunnel to every peer gateway."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import socket
import struct
import time
from collections.abc import Callable, Mapping

from federation.probing.echo import HEADER, REPLY6, request6
from gateways.probe.paths import Now, Paths
from gateways.probe.sizes import LEAST, Need, Probe, Sizes
from gateways.probe.trips import Trip

log = logging.getLogger("probe")

ICMP6_FILTER, ICMP6_FILTER_SIZE = 1, 32
PKTINFO = struct.Struct("=16sI")
"""in6_pktinfo: an own address (none: the kernel chooses) and a device's index (ipv6(7))."""

IP_HEADER = 40
MTU_DISCOVER, PROBE = 23, 3
"""IPV6_MTU_DISCOVER, IPV6_PMTUDISC_PROBE (ipv6(7)): packets go out whole, whatever the route's MTU says."""

OUTER = 80
"""Bytes around a packet in the tunnel, at most: IPv6 and UDP headers, WireGuard's own and its tag."""


class EchoProber:
    """Keeps `paths` and `sizes` fresh and sets `changed` when a verdict or a size moved.

    Needs CAP_NET_RAW; without it nothing is known of any way, and one line says so.
    """

    def __init__(self, wanted: Callable[[], Mapping[str, bool]], sized: bool = False) -> None:
        """`wanted` gives the overlay addresses to probe (`ADDRESS%DEVICE`: over this device), True for those in use; it
        is asked anew each time. How large packets may be is measured over devices that are named, `sized`: on all ways.
        """
        self._wanted = wanted
        self._sized = sized
        self._marks = Marks()
        self.paths = Paths()
        self.sizes = Sizes()
        self._needs: dict[str, Need | None] = {}
        self._seen = (self.paths.standings(), self.sizes.mtus)
        self.changed = asyncio.Event()

    async def run(self) -> None:
        """Probe until cancelled."""
        try:
            port = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
        except OSError as error:
            log.warning("ways to peers are not probed", extra={"reason": error.strerror})
            return
        with port:
            port.setblocking(False)
            port.setsockopt(socket.IPPROTO_ICMPV6, ICMP6_FILTER, only(REPLY6))
            port.setsockopt(socket.IPPROTO_IPV6, MTU_DISCOVER, PROBE)
            loop = asyncio.get_running_loop()
            loop.add_reader(port, self._receive, port)
            try:
                while True:
                    self._receive(port)
                    self.paths.judge(_now())
                    self._send(port)
                    self._send_sizes(port)
                    self._tell()
                    now = _now()
                    await asyncio.sleep(min(self.paths.wait(now), self.sizes.wait(self._needs, now.seconds)))
            finally:
                loop.remove_reader(port)

    def trip(self, address: str) -> Trip:
        """The round trip to this address."""
        return self.paths.trip(address, asyncio.get_running_loop().time())

    def problems(self) -> tuple[str, ...]:
        """One line for each way on which IPv6 cannot work."""
        why = f"packets of {LEAST} bytes, which IPv6 needs, do not pass"
        what = f"give the network below an MTU of {LEAST + OUTER} bytes or more"
        return tuple(f"E190 link to {one}: {why}; {what}" for one, mtu in sorted(self.sizes.mtus.items()) if not mtu)

    def _send(self, port: socket.socket) -> None:
        wanted = self._wanted()
        sequence, due = self.paths.begin(wanted, _now())
        for address in due:
            now = _now()
            try:
                send(port, request6(self._marks.small(address), sequence), address)
                self.paths.sent(address, sequence, now)
            except OSError:
                self.paths.unsent(address, sequence, now)
            self.paths.plan(address, wanted[address], now)

    def _send_sizes(self, port: socket.socket) -> None:
        sized = {one: busy for one, busy in self._wanted().items() if self._sized or "%" in one}
        self._needs = {address: self._need(address, busy) for address, busy in sized.items()}
        for one in self.sizes.step(self._needs, _now().seconds):
            with contextlib.suppress(OSError):
                send(port, self._padded(one), one.address)

    def _need(self, address: str, busy: bool) -> Need | None:
        patience = self.paths.patience(address)
        return None if patience is None else Need(patience, busy)

    def _padded(self, probe: Probe) -> bytes:
        header = request6(self._marks.large(probe.address), probe.sequence)
        return header.ljust(probe.size - IP_HEADER, b"\0")

    def _receive(self, port: socket.socket) -> None:
        now = _now()
        with contextlib.suppress(OSError):
            while True:
                data, source = port.recvfrom(128)
                if len(data) < HEADER.size:
                    continue
                kind, _, _, mark, sequence = HEADER.unpack_from(data)
                key, sized = self._marks.of(source[0], mark)
                if kind == REPLY6 and sized:
                    self.sizes.answered(key, sequence)
                elif kind == REPLY6:
                    self.paths.answered(key, sequence, now)
        self._tell()

    def _tell(self) -> None:
        seen = (self.paths.standings(), self.sizes.mtus)
        if any(now is not before for now, before in zip(seen, self._seen, strict=True)):
            self._seen = seen
            self.changed.set()


class Marks:
    """The ICMP identifiers of our own probes: two a device, so that an answer tells on which one was asked."""

    def __init__(self) -> None:
        self._free = secrets.SystemRandom().sample(range(1 << 16), 1 << 10)
        self._given: dict[str, tuple[int, int]] = {}
        self._devices: dict[int, tuple[str, bool]] = {}

    def small(self, address: str) -> int:
        """The identifier of probes of the way."""
        return self._pair(address.partition("%")[2])[0]

    def large(self, address: str) -> int:
        """The identifier of probes of the size."""
        return self._pair(address.partition("%")[2])[1]

    def of(self, source: str, mark: int) -> tuple[str, bool]:
        """Which way an answer is about, and whether it is about the size."""
        device, sized = self._devices.get(mark, ("?", False))
        return (f"{source}%{device}" if device else source), sized

    def _pair(self, device: str) -> tuple[int, int]:
        pair = self._given.get(device)
        if pair is None:
            pair = self._given[device] = (self._free.pop(), self._free.pop())
            self._devices |= {pair[0]: (device, False), pair[1]: (device, True)}
        return pair


def send(port: socket.socket, packet: bytes, address: str) -> None:
    """Send to this address, over its device where it names one (RFC 3542 section 6). OSError when it cannot leave."""
    where, _, device = address.partition("%")
    index = socket.if_nametoindex(device) if device else 0
    over = [(socket.IPPROTO_IPV6, socket.IPV6_PKTINFO, PKTINFO.pack(b"", index))] if device else []
    port.sendmsg([packet], over, 0, (where, 0))


def _now() -> Now:
    return Now(asyncio.get_running_loop().time(), int(time.time() * 1_000))


def only(kind: int) -> bytes:
    """The kernel's filter (RFC 3542 section 3.2) that lets one ICMPv6 type pass: a set bit blocks."""
    words = [0xFFFFFFFF] * (ICMP6_FILTER_SIZE // 4)
    words[kind >> 5] &= ~(1 << (kind & 31)) & 0xFFFFFFFF
    return struct.pack(f"={len(words)}I", *words)
