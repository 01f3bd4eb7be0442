"""TCP connections and what is said over them: one epoll for all, which the event loop waits for as one file.

A connection is reset when the probe is over (SO_LINGER 0): neither end keeps it in TIME_WAIT, so ports do not run out.
"""

from __future__ import annotations

import asyncio
import errno
import select
import socket
import struct
from collections.abc import Callable
from functools import partial

from federation.probing import grpc_health, http1
from federation.probing.target import Done, Talk, Target, Unable
from federation.probing.tls import secured

RESET = struct.pack("ii", 1, 0)
AT_A_TIME = 512
READ = 16_384
OURS = frozenset(
    (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL, errno.EPERM, errno.EACCES)
)
"""Errors of this machine, which say nothing of a target."""


def talk_of(target: Target) -> Talk | None:
    """What is said once the connection stands; None: that it stands is enough."""
    match target.probe.way:
        case "http":
            return http1.exchange(target)
        case "https":
            return secured(http1.exchange(target), target)
        case "grpc":
            return grpc_health.check(target)
        case "grpcs":
            return secured(grpc_health.check(target), target)
    return None


class Sockets:
    """Needs a running loop."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._open: dict[int, _Connection] = {}
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._epoll.fileno(), self._turn)

    def begin(self, target: Target, done: Done) -> Callable[[], object]:
        """Connect to the port, or to both at once, and say what there is to say; the first that goes well is enough."""
        if not target.also:
            return partial(self._drop, self._connect(target, target.port, done))
        return _Either(self, target, done).cancel

    async def close(self) -> None:
        """End all that is under way."""
        for connection in list(self._open.values()):
            self._drop(connection)
        self._loop.remove_reader(self._epoll.fileno())
        self._epoll.close()

    def _connect(self, target: Target, port: int, done: Done) -> _Connection:
        family = socket.AF_INET6 if ":" in target.address else socket.AF_INET
        try:
            sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        except OSError as error:
            raise _found(error) from None
        connection = _Connection(sock, talk_of(target), done)
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            problem = sock.connect_ex((target.address, port))
            if problem not in (0, errno.EINPROGRESS):
                raise OSError(problem, "")
            self._epoll.register(connection.number, select.EPOLLOUT)
        except OSError as error:
            sock.close()
            raise _found(error) from None
        self._open[connection.number] = connection
        return connection

    def _turn(self) -> None:
        """What is over is told at the end: whoever hears it may begin anew, with a number that is in these events."""
        over: list[tuple[Done, bool]] = []
        for number, events in self._epoll.poll(0, AT_A_TIME):
            connection = self._open.get(number)
            well = None if connection is None else self._stepped(connection, events)
            if connection is not None and well is not None:
                self._drop(connection)
                over.append((connection.done, well))
        for done, well in over:
            done(well)

    def _stepped(self, connection: _Connection, events: int) -> bool | None:
        try:
            return self._step(connection, events)
        except BlockingIOError:
            return None
        except (OSError, ValueError, EOFError):
            return False

    def _step(self, connection: _Connection, events: int) -> bool | None:
        """True or False when it is over. OSError, ValueError or EOFError: it went wrong."""
        if events & select.EPOLLOUT:
            return self._send(connection, events)
        data = connection.sock.recv(READ)
        try:
            connection.left += connection.talk.send(data) if connection.talk else b""
        except StopIteration as end:
            return bool(end.value)
        if connection.left:
            self._epoll.modify(connection.number, select.EPOLLOUT)
        elif not data:
            return False
        return None

    def _send(self, connection: _Connection, events: int) -> bool | None:
        if events & select.EPOLLERR:
            return False
        if connection.talk is None:
            return True
        if not connection.begun:
            connection.begun, connection.left = True, next(connection.talk)
        connection.left = connection.left[connection.sock.send(connection.left) :]
        if not connection.left:
            self._epoll.modify(connection.number, select.EPOLLIN)
        return None

    def _drop(self, connection: _Connection) -> None:
        """Closing takes it out of the epoll as well."""
        if self._open.pop(connection.number, None) is not None:
            connection.sock.close()


class _Connection:
    __slots__ = ("begun", "done", "left", "number", "sock", "talk")

    def __init__(self, sock: socket.socket, talk: Talk | None, done: Done) -> None:
        self.sock, self.talk, self.done = sock, talk, done
        self.number = sock.fileno()
        self.begun, self.left = False, b""


class _Either:
    """Two ports, of which one will do."""

    def __init__(self, sockets: Sockets, target: Target, done: Done) -> None:
        self._done = done
        self._cancels: list[Callable[[], None]] = []
        self._out = 0
        for port in (target.port, target.also):
            try:
                connection = sockets._connect(target, port, self._heard)
            except OSError:
                continue
            self._cancels.append(partial(sockets._drop, connection))
            self._out += 1
        if not self._out:
            raise OSError(errno.EHOSTUNREACH, "")

    def cancel(self) -> None:
        """End both."""
        for cancel in self._cancels:
            cancel()

    def _heard(self, well: bool) -> None:
        self._out -= 1
        if well or not self._out:
            self.cancel()
            self._done(well)


def _found(error: OSError) -> Exception:
    """What an error in making a connection says: of us, or of the target."""
    if error.errno in OURS:
        return Unable(f"no connection can be made: {errno.errorcode[error.errno or 0]}")
    return error
