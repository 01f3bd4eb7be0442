"""This process as one of several controllers in one cluster: Lease, store in Secrets, a cluster that is warm."""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

from federation.adapters.kube.access import ACCOUNT, KubeAccess
from federation.adapters.kube.claim import Claim
from federation.adapters.kube.elect import Leadership
from federation.adapters.kube.http import Http
from federation.adapters.kube.pace import Pace
from federation.adapters.kube.store import KubeStore
from federation.adapters.kube.warm import WarmKube
from federation.adapters.mirror import Mirror
from federation.config import Own
from federation.model.errors import InputError
from federation.telemetry import split_address


class KubeReplicas:
    """Replicas by Lease, with their store in the same namespace."""

    warm = True

    def __init__(self, access: KubeAccess, namespace: str, own: Own, mirror: Path, listen: str) -> None:
        """`listen` is the address of our link server."""
        self.identity = f"{socket.gethostname()}/{os.getpid()}/{secrets.token_hex(4)}"
        self._namespace = namespace
        self._member = f"{own.federation}/{own.name}"
        self._mirror = mirror
        self._http = Http(access, Pace())
        self._leadership = Leadership(self._http, namespace, self.identity, reachable(listen, access.server))
        self.cluster = WarmKube(access, own.az, may_write=self._leadership.may_write, claim=Claim(own.name, own.domain))

    def store(self) -> KubeStore:
        """The store for the next leadership."""
        mirror = Mirror(self._mirror)
        return KubeStore(self._http, self._namespace, self._member, self._leadership, mirror, self.cluster.still)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Follow the Lease and the cluster, whoever leads."""
        async with self._http.opened(), asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._leadership.watch()), group.create_task(self.cluster.follow())]
            try:
                yield
            finally:
                for task in tasks:
                    task.cancel()


def own_namespace(given: str | None, in_cluster: bool, account: Path = ACCOUNT) -> str:
    """The namespace of Lease and Secrets. InputError when it is not given and this is no pod."""
    if given is not None:
        return given
    if not in_cluster:
        raise InputError("--store kubernetes with --kubeconfig needs --namespace NAME, where its Lease and Secrets are")
    try:
        return (account / "namespace").read_text().strip()
    except OSError as error:
        text = f"--store kubernetes: {account / 'namespace'}: {error.strerror}; give --namespace NAME"
        raise InputError(text) from None


def reachable(listen: str, server: str) -> str:
    """Where other replicas reach who listens there: for "any address" it is the one from which we reach the API server.
    InputError when there is no way to it.
    """
    host, port = split_address(listen, "--listen")
    if host not in ("0.0.0.0", "::"):  # noqa: S104 - what was given, not what is bound
        return listen
    at = urlsplit(server)
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(at.hostname, at.port or 443, type=socket.SOCK_DGRAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.connect(address)
            own = str(probe.getsockname()[0])
    except OSError as error:
        raise InputError(f'--listen "{listen}": no way to {server} ({error.strerror}); listen on one address') from None
    return f"[{own}]:{port}" if ":" in own else f"{own}:{port}"
