"""Controllers' stores over one etcd, with a lease short enough for tests."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator
from pathlib import Path

from federation.adapters.etcd.access import EtcdAccess, EtcdOptions, read_access
from federation.adapters.etcd.client import EtcdClient
from federation.adapters.etcd.store import EtcdStore
from federation.adapters.mirror import Mirror
from tests.worlds.etcd import Etcd

TTL = 2
_holders = itertools.count(1)


def access(*endpoints: str) -> EtcdAccess:
    return read_access(EtcdOptions(endpoints=endpoints))


def candidate(server: Etcd, prefix: str, folder: Path, ttl: int = TTL, *more: Etcd) -> EtcdStore:
    """A controller of its own, with its state in this folder; it knows these servers."""
    folder.mkdir(exist_ok=True)
    mirror = Mirror(folder / "etcd-mirror.sqlite")
    return EtcdStore(
        EtcdClient(access(*(one.plain for one in (server, *more)))), prefix, mirror, f"holder-{next(_holders)}", ttl
    )


@contextlib.asynccontextmanager
async def held(store: EtcdStore) -> AsyncIterator[EtcdStore]:
    """The store with its leadership kept; resigned at the end."""
    async with asyncio.timeout(30):
        await store.follow()
    task = asyncio.create_task(store.keep())
    try:
        yield store
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await store.resign()


def leading(server: Etcd, prefix: str, folder: Path) -> contextlib.AbstractAsyncContextManager[EtcdStore]:
    """A candidate that waits until it leads."""
    return held(candidate(server, prefix, folder))
