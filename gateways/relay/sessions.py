"""The sockets of links through a third member.

For each far gateway that is spoken with so there is a socket on loopback. To WireGuard it is where that gateway stands:
what it sends there goes through the carrier, and what comes from the carrier reaches it from there.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import Callable, Container, Iterable, Mapping
from functools import partial

from gateways import metrics
from gateways.reach import Place
from gateways.relay.carrier import Carrier, Deliver, Far, Pass, after, fars
from gateways.relay.frame import TO, Frame, is_message, packed
from gateways.state import RELAY_PORT, NodeState

LOOPBACK = "127.0.0.1"
FREEBIND, MTU_DISCOVER, DO = 78, 23, 2
"""IPV6_FREEBIND: the address may come later. IPV6_MTU_DISCOVER, IPV6_PMTUDISC_DO: frames go whole or not at all, so
that the size that passes is measured (ipv6(7)).
"""

PATIENCE = 15.0
"""Seconds without an answer after which another carrier is asked."""

IDLE = 120.0
"""Seconds after which a socket that brought nothing, and is not asked for, is closed."""

SESSIONS_MAX = 256
AT_ONCE = 64
"""Datagrams that are read of one socket before others have their turn."""

DATAGRAM_MAX = 65_535


class Session:
    """One far gateway that is spoken with through a carrier. Moments are monotonic seconds."""

    def __init__(self, far: Far, port: socket.socket, now: float) -> None:
        self.far = far
        self.port = port
        self.via: Far | None = None
        self.asked = self.answered = self.wanted = now

    @property
    def endpoint(self) -> str:
        """Where it stands for WireGuard."""
        return f"{LOOPBACK}:{self.port.getsockname()[1]}"


class Sessions:
    """What is carried, for us and by us. `is_up` tells by an overlay address whether its link works; links that are
    `relayed` themselves carry nothing.
    """

    def __init__(
        self, carries: bool, is_up: Callable[[str], bool], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._carrier = Carrier(carries)
        self._is_up = is_up
        self._now = clock
        self._sessions: dict[Place, Session] = {}
        self._port: socket.socket | None = None
        self._address = ""
        self._seen: object = None
        self._relayed: Container[Place] = ()
        self.problems: tuple[str, ...] = ()

    def follow(self, state: NodeState) -> None:
        """Know these gateways; listen where anybody carries."""
        if state.tunnels is self._seen:
            return
        self._seen = state.tunnels
        self._carrier.know(fars(state.tunnels))
        known = {far.place: far for far in self._carrier.known}
        for place in self._sessions.keys() - known.keys():
            self._close(place)
        for place, session in self._sessions.items():
            session.far = known[place]
        carried = self._carrier.carries or any(far.relay for far in self._carrier.known)
        self._listen(state.overlay if carried and self._carrier.known else "")

    def want(self, lost: Iterable[Place], relayed: Container[Place]) -> None:
        """Speak with these through a carrier, where there is one; `relayed` are those with whom that works."""
        self._relayed = relayed
        now = self._now()
        known = {far.place: far for far in self._carrier.known}
        for place in lost:
            far = known.get(place)
            held = place in self._sessions
            if far is not None and (held or (len(self._sessions) < SESSIONS_MAX and self._carriers(far))):
                self._session(far, now).wanted = now
        for place, session in list(self._sessions.items()):
            if now - max(session.wanted, session.answered) > IDLE:
                self._close(place)

    def endpoints(self) -> Mapping[Place, str]:
        """Where far gateways stand on loopback."""
        return {place: session.endpoint for place, session in self._sessions.items()}

    def through(self) -> Mapping[Place, str]:
        """The member through which each is spoken with."""
        return {place: one.via.member for place, one in self._sessions.items() if one.via is not None}

    def close(self) -> None:
        """Close all sockets."""
        self._listen("")
        for place in list(self._sessions):
            self._close(place)

    def _listen(self, address: str) -> None:
        if address == self._address and not self.problems:
            return
        loop = asyncio.get_running_loop()
        if self._port is not None:
            loop.remove_reader(self._port)
            self._port.close()
            self._port = None
        self._address, self.problems = "", ()
        if address:
            try:
                self._port = _bound(address)
            except OSError as error:
                text = f"UDP port {RELAY_PORT} on {address}: {error.strerror}"
                self.problems = (f"E122 {text}; nothing that a third member carries gets here",)
                self._seen = None
                return
            self._address = address
            loop.add_reader(self._port, self._from_tunnel, self._port)

    def _session(self, far: Far, now: float) -> Session:
        session = self._sessions.get(far.place)
        if session is None:
            port = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            port.setblocking(False)
            port.bind((LOOPBACK, 0))
            session = self._sessions[far.place] = Session(far, port, now)
            asyncio.get_running_loop().add_reader(port, partial(self._from_wireguard, session))
        return session

    def _close(self, place: Place) -> None:
        session = self._sessions.pop(place)
        asyncio.get_running_loop().remove_reader(session.port)
        session.port.close()

    def _from_wireguard(self, session: Session) -> None:
        """Only our own device speaks to this socket."""
        with contextlib.suppress(OSError):
            for _ in range(AT_ONCE):
                datagram, source = session.port.recvfrom(DATAGRAM_MAX)
                if source == (LOOPBACK, session.far.port) and is_message(datagram):
                    self._send_on(session, datagram)

    def _send_on(self, session: Session, datagram: bytes) -> None:
        via = self._via(session)
        if via is not None:
            far = session.far
            self._send(via, packed(Frame(TO, far.number, far.gateway, datagram)), "sent")

    def _from_tunnel(self, port: socket.socket) -> None:
        now = self._now()
        with contextlib.suppress(OSError):
            for _ in range(AT_ONCE):
                data, source = port.recvfrom(DATAGRAM_MAX)
                self._take(data, source[0], now)

    def _take(self, data: bytes, source: str, now: float) -> None:
        match self._carrier.judge(data, source, now):
            case Pass(to=to, data=frame) if to.place not in self._relayed:
                self._send(to, frame, "carried")
            case Pass():
                metrics.RELAYED.labels("dropped: no straight way").inc()
            case Deliver(far=far, via=via, datagram=datagram):
                self._deliver(far, via, datagram, now)
            case reason:
                metrics.RELAYED.labels(f"dropped: {reason}").inc()

    def _deliver(self, far: Far, via: Far, datagram: bytes, now: float) -> None:
        if far.place not in self._sessions and len(self._sessions) >= SESSIONS_MAX:
            metrics.RELAYED.labels("dropped: too many").inc()
            return
        session = self._session(far, now)
        session.via, session.answered = via, now
        with contextlib.suppress(OSError):
            session.port.sendto(datagram, (LOOPBACK, far.port))
            metrics.RELAYED.labels("delivered").inc()

    def _send(self, to: Far, data: bytes, outcome: str) -> None:
        if self._port is None:
            return
        try:
            self._port.sendto(data, (to.overlay, RELAY_PORT))
        except OSError:
            outcome = "dropped: too large, or no way"
        metrics.RELAYED.labels(outcome).inc()

    def _via(self, session: Session) -> Far | None:
        """The carrier that answered last, else the next one of those that we reach, each for a while."""
        now, held = self._now(), session.via
        if held is not None and now - max(session.answered, session.asked) < PATIENCE and self._is_up(held.overlay):
            return held
        session.via, session.asked = after(held, self._carriers(session.far)), now
        return session.via

    def _carriers(self, far: Far) -> list[Far]:
        """Those of other members that carry, and to which our own link is straight and works."""
        known = (one for one in self._carrier.known if one.relay and one.member != far.member)
        return [one for one in known if one.place not in self._relayed and self._is_up(one.overlay)]


def _bound(address: str) -> socket.socket:
    """The socket of frames. OSError when the port is another's."""
    port = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    try:
        port.setblocking(False)
        port.setsockopt(socket.IPPROTO_IPV6, FREEBIND, 1)
        port.setsockopt(socket.IPPROTO_IPV6, MTU_DISCOVER, DO)
        port.bind((address, RELAY_PORT))
    except OSError:
        port.close()
        raise
    return port
