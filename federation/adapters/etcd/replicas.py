"""This process as one of several controllers over one etcd."""

import os
import secrets
import socket
from contextlib import AbstractAsyncContextManager, nullcontext
from pathlib import Path

from federation.adapters.etcd.access import EtcdAccess
from federation.adapters.etcd.client import EtcdClient
from federation.adapters.etcd.store import EtcdStore
from federation.adapters.mirror import Mirror


class EtcdReplicas:
    """Replicas by a leader key in etcd."""

    warm = False

    def __init__(self, access: EtcdAccess, member: str, mirror: Path) -> None:
        """`member` is "FEDERATION/NAME"."""
        self._access = access
        self._prefix = f"isthmus/{member}/"
        self._mirror = mirror

    @property
    def identity(self) -> str:
        """This process; each leadership has a name of its own below it."""
        return f"{socket.gethostname()}/{os.getpid()}"

    def store(self) -> EtcdStore:
        """The store for the next leadership."""
        holder = f"{self.identity}/{secrets.token_hex(4)}"
        return EtcdStore(EtcdClient(self._access), self._prefix, Mirror(self._mirror), holder)

    def running(self) -> AbstractAsyncContextManager[None]:
        """Nothing goes on beside the store."""
        return nullcontext()
