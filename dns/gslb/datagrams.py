"""UDP in Python: sockets that are emptied whenever they have something. The packet path of every machine."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import Callable
from functools import partial
from ipaddress import ip_address
from typing import Any

from gslb import metrics

TURN = 0.005
"""Seconds for which datagrams are answered before anything else gets its turn."""

DATAGRAM_MAX, CONTROL = 4_096, 64
RECEIVE_BUFFER = 4 * 1024 * 1024
"""Bytes that wait in the kernel (which may take less): 20,000 queries."""

OMIT = 5
"""IP_PMTUDISC_OMIT in Linux: believe nobody's word on the path's MTU (RFC 9715)."""

MTU_DISCOVER = {socket.AF_INET: (socket.IPPROTO_IP, 10), socket.AF_INET6: (socket.IPPROTO_IPV6, 23)}
PKTINFO = {socket.AF_INET: (socket.IPPROTO_IP, 8), socket.AF_INET6: (socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO)}
"""Level and option in Linux, by family."""

Respond = Callable[[bytes, str, bool], bytes | None]
"""From the query, the client's address and whether it came by TCP."""


def bound(host: str, port: int, shared: bool = False) -> socket.socket:
    """A UDP socket on this address; `shared`: with others of ours that take their part of the datagrams. One that
    listens on all addresses of a family is told where each datagram was sent to. OSError when the address cannot be
    bound.
    """
    family, kind, proto, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
    found = socket.socket(family, kind, proto)
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        found.setsockopt(*MTU_DISCOVER[family], OMIT)
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, shared)
        if family == socket.AF_INET6:
            found.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, True)
        found.setsockopt(*PKTINFO[family], ip_address(str(address[0])).is_unspecified)
        found.bind(address)
    except OSError:
        found.close()
        raise
    return found


class Datagrams:
    """Answers on every address that it listens on until closed."""

    def __init__(self, respond: Respond) -> None:
        self._respond = respond
        self._sockets: list[socket.socket] = []

    def listen(self, host: str, port: int) -> None:
        """Answer on this address. OSError when it cannot be bound."""
        fresh = bound(host, port)
        fresh.setblocking(False)
        self._sockets.append(fresh)
        everywhere = ip_address(fresh.getsockname()[0]).is_unspecified
        receive = partial(_received, fresh) if everywhere else partial(fresh.recvfrom, DATAGRAM_MAX)
        send = partial(_sent, fresh) if everywhere else fresh.sendto
        asyncio.get_running_loop().add_reader(fresh, self._drain, receive, send)

    def close(self) -> None:
        """Listen no more."""
        for one in self._sockets:
            asyncio.get_running_loop().remove_reader(one)
            one.close()
        self._sockets = []

    def _drain(self, receive: Receive, send: Send) -> None:
        count, end = 0, time.monotonic() + TURN
        while time.monotonic() < end:
            try:
                data, origin = receive()
            except OSError:
                break
            count += 1
            response = self._respond(data, origin[0], False)
            if response is not None:
                with contextlib.suppress(OSError):
                    send(response, origin)
        metrics.count_queries("udp", count)


Receive = Callable[[], tuple[bytes, Any]]
Send = Callable[[bytes, Any], object]
"""A datagram and its origin, which begins with the client's address; and the way back there."""


def _received(one: socket.socket) -> tuple[bytes, tuple[str, Any, list[Any]]]:
    data, told, _, address = one.recvmsg(DATAGRAM_MAX, CONTROL)
    return data, (address[0], address, [(level, kind, _without_interface(level, info)) for level, kind, info in told])


def _sent(one: socket.socket, response: bytes, origin: tuple[str, Any, list[Any]]) -> None:
    """From the address that was asked (RFC 2181 section 4.1); routes choose the interface."""
    one.sendmsg([response], origin[2], 0, origin[1])


def _without_interface(level: int, info: bytes) -> bytes:
    return bytes(4) + info[4:] if level == socket.IPPROTO_IP else info[:16] + bytes(4)
