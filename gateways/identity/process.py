"""The process at the other end of a unix socket, held by a pidfd, and its pod's service account token.

SO_PEERPIDFD (Linux 6.5) gives a handle on the process that connected: unlike a process id it never names another one.
The token is read where the kubelet mounts it, inside the process's own root: openat2(2) with RESOLVE_IN_ROOT follows no
link out of it, so a container cannot point at its neighbour's token on the host.
"""

from __future__ import annotations

import ctypes
import os
import select
import socket
import stat
import struct
from pathlib import Path

from federation.model.errors import Refused

TOKEN_FILE = "var/run/secrets/kubernetes.io/serviceaccount/token"  # noqa: S105 - where the kubelet mounts it
TOKEN_BYTES_MAX = 16 * 1024
_SO_PEERPIDFD = 77
_OPENAT2 = 437
_RESOLVE_IN_ROOT = 0x10
_LIBC = ctypes.CDLL(None, use_errno=True)


class PeerProcess:
    """The process that connected; `close` lets go of it."""

    def __init__(self, connection: socket.socket) -> None:
        try:
            self._pidfd = connection.getsockopt(socket.SOL_SOCKET, _SO_PEERPIDFD)
        except OSError:
            self._pidfd = -1

    def token(self) -> str:
        """Its pod's service account token. Refused (E105) when it has none, is gone, or the kernel is too old."""
        if self._pidfd < 0:
            raise Refused("this kernel does not say which process connected (SO_PEERPIDFD, Linux 6.5)", "E105")
        pid = self._pid()
        try:
            data = read_in_root(Path(f"/proc/{pid}/root"), TOKEN_FILE, TOKEN_BYTES_MAX)
        except OSError as error:
            what = f"process {pid} has no service account token at /{TOKEN_FILE}"
            raise Refused(f"{what}: {error.strerror}", "E105") from None
        if self._gone():
            raise Refused(f"process {pid} is gone", "E105")
        try:
            return data.decode("ascii").strip()
        except UnicodeDecodeError:
            raise Refused(f"process {pid}: /{TOKEN_FILE} is no token", "E105") from None

    def close(self) -> None:
        """Let go."""
        if self._pidfd >= 0:
            os.close(self._pidfd)
        self._pidfd = -1

    def _pid(self) -> int:
        text = Path(f"/proc/self/fdinfo/{self._pidfd}").read_text()
        pid = next(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pid:"))
        if pid <= 0:
            raise Refused("the process that connected is gone, or in a pid namespace that is not ours", "E105")
        return pid

    def _gone(self) -> bool:
        poll = select.poll()
        poll.register(self._pidfd, select.POLLIN)
        return bool(poll.poll(0))


def read_in_root(root: Path, path: str, limit: int) -> bytes:
    """A regular file as seen from this root, at most `limit` bytes of it. OSError."""
    how = struct.pack("QQQ", os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK, 0, _RESOLVE_IN_ROOT)
    directory = os.open(root, os.O_PATH | os.O_DIRECTORY)
    try:
        descriptor = _LIBC.syscall(_OPENAT2, directory, path.encode(), how, len(how))
    finally:
        os.close(directory)
    if descriptor < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(0, "not a file")
        return file.read(limit)
