"""The Workload API's unix socket: whose connection it is, is read from the kernel before the first byte.

SO_PEERCRED names the user and group that called connect(2); the kernel keeps them for the life of the connection.
The process id that comes with them decides nothing, so a pid that is used again deceives nobody: where a service
account token counts, the process is held by a pidfd (`process.py`).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import resource
import socket
import struct
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from grpclib.config import Configuration
from grpclib.protocol import H2Protocol
from grpclib.server import Handler, Server

from federation.link.dial import BytesCodec
from federation.model.errors import InputError
from federation.model.handout import UnixUser
from federation.process import answers
from gateways import metrics
from gateways.folder import check_socket_path
from gateways.identity.answers import Book
from gateways.identity.api import Shelf, WorkloadApi
from gateways.identity.callers import Attestor, Connection
from gateways.identity.process import PeerProcess
from gateways.identity.tokens import Tokens

log = logging.getLogger("workload")

CONNECTIONS_MAX = 64
"""Connections of one user of one container at a time, 100 streams each: no workload must use up what others need."""

UNACCEPTED = 1.0
"""Seconds until the next accept when the process has no descriptor left."""

_CREDENTIALS = struct.Struct("iII")
_WINDOW = 65_535
_CONFIGURATION = Configuration(http2_connection_window_size=_WINDOW, http2_stream_window_size=_WINDOW)


def user_of(connection: socket.socket) -> UnixUser:
    """Who connected (unix(7), SO_PEERCRED)."""
    _, uid, gid = _credentials(connection)
    return UnixUser(uid, gid)


def container_of(connection: socket.socket) -> int:
    """What tells the containers of this node apart: the pid namespace of who connected; 0 when it cannot be seen. Only
    bounds hang on it.
    """
    with contextlib.suppress(OSError):
        return Path(f"/proc/{_credentials(connection)[0]}/ns/pid").stat().st_ino
    return 0


def connections_max() -> int:
    """Connections of all: half of the descriptors that the process may have."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2


def _credentials(connection: socket.socket) -> tuple[int, int, int]:
    pid, uid, gid = _CREDENTIALS.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
    return pid, uid, gid


class Attested(H2Protocol):
    """One connection, whose calls are answered for one user only."""

    def __init__(self, shelf: Shelf, tokens: Tokens, connection: Connection, left: Callable[[Attested], None]) -> None:
        api = WorkloadApi(shelf, tokens, connection)
        made = Server((api,), codec=BytesCodec(), config=_CONFIGURATION)._protocol_factory()
        super().__init__(made.handler, made.config, made.h2_config)
        self.place = (connection.user.uid, 0)
        self._connection = connection
        self._left = left

    def connection_lost(self, exc: BaseException | None) -> None:
        """The caller is gone."""
        super().connection_lost(exc)
        self._connection.close()
        self._left(self)

    async def close(self) -> None:
        """End every call, then the connection."""
        assert isinstance(self.handler, Handler)
        self.handler.close()
        await self.handler.wait_closed()
        self.connection.close()


class WorkloadServer:
    """Serves the Workload API on `path` to every user of this node."""

    def __init__(self, path: Path, tokens: Tokens, attestor: Attestor) -> None:
        self._path = path
        self._attestor = attestor
        self._tokens = tokens
        self._shelf = Shelf()
        self._open: set[Attested] = set()
        self._socket: socket.socket | None = None

    def offer(self, book: Book) -> None:
        """Answer from this book from now on."""
        self._shelf.put(book)

    async def start(self) -> None:
        """Listen. InputError for a path that is too long, cannot be made, or where another one answers."""
        check_socket_path(self._path)
        if self._path.exists() and not self._path.is_socket():
            raise InputError(f"{self._path}: is there and is no socket; name another --workload-socket", "E122")
        if await answers(self._path):
            raise InputError(
                f"{self._path}: another Workload API answers there; name another --workload-socket", "E122"
            )
        self._path.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.setblocking(False)
        try:
            listener.bind(str(self._path))
        except OSError as error:
            listener.close()
            raise InputError(f"{self._path}: {error.strerror}; name another --workload-socket", "E122") from None
        self._path.chmod(0o666)
        listener.listen()
        logging.getLogger("grpclib.server").setLevel(logging.WARNING)  # else each cancelled call is a line
        self._socket = listener

    async def run(self) -> None:
        """Accept until cancelled, after `start`."""
        assert self._socket is not None
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, _ = await loop.sock_accept(self._socket)
            except OSError as error:
                log.warning("cannot accept", extra={"error": str(error)})
                await asyncio.sleep(UNACCEPTED)
                continue
            await self._take(connection)

    async def stop(self) -> None:
        """Close every connection and remove the socket."""
        if self._socket is None:
            return
        self._socket.close()
        self._path.unlink(missing_ok=True)
        for connection in list(self._open):
            await connection.close()

    async def _take(self, connection: socket.socket) -> None:
        user = user_of(connection)
        place = (user.uid, container_of(connection))
        if len(self._open) >= connections_max() or Counter(one.place for one in self._open)[place] >= CONNECTIONS_MAX:
            metrics.WORKLOAD_REFUSALS.labels("connections").inc()
            connection.close()
            return
        caller = Connection(user, PeerProcess(connection), self._attestor)
        attested = Attested(self._shelf, self._tokens, caller, self._open.discard)
        attested.place = place
        self._open.add(attested)
        with contextlib.suppress(ConnectionError):
            await asyncio.get_running_loop().connect_accepted_socket(lambda: attested, connection)
