"""What every store keeps to: one table of tests over memory, SQLite and etcd."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

from federation.adapters.memory import MemoryStore
from federation.adapters.sqlite import SqliteStore
from federation.ports import Store
from tests.worlds.etcd import Etcd, etcd, needs_etcd
from tests.worlds.etcd_stores import leading

Open = Callable[[], AbstractAsyncContextManager[Store]]
_number = itertools.count()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Etcd]:
    with etcd(tmp_path_factory.mktemp("etcd")) as one:
        yield one


@pytest.fixture(params=["memory", "sqlite", pytest.param("etcd", marks=needs_etcd)])
def reopen(request: pytest.FixtureRequest, tmp_path: Path) -> Open:
    """Opens the same store each time, as after a restart."""
    memory, prefix = MemoryStore(), f"test/{next(_number)}/"
    server = request.getfixturevalue("server") if request.param == "etcd" else None

    @asynccontextmanager
    async def opened() -> AsyncIterator[Store]:
        if request.param == "memory":
            yield memory
        elif request.param == "sqlite":
            yield SqliteStore(tmp_path / "store.sqlite")
        else:
            assert server is not None
            async with leading(server, prefix, tmp_path) as store:
                yield store

    return opened


async def nothing_was_kept(reopen: Open) -> None:
    async with reopen() as store:
        assert (store.get("a"), store.items(""), store.problems) == (None, {}, ())
        await store.flush()


async def a_write_is_read_at_once_and_after_a_restart(reopen: Open) -> None:
    async with reopen() as store:
        store.put("a/1", b"one")
        store.put("a/1", b"two")
        assert store.get("a/1") == b"two"
        await store.flush()
    async with reopen() as store:
        assert store.get("a/1") == b"two"


async def dropping_the_absent_succeeds(reopen: Open) -> None:
    async with reopen() as store:
        store.drop("a/1")
        store.put("a/1", b"one")
        await store.flush()
        store.drop("a/1")
        assert store.get("a/1") is None
        await store.flush()
    async with reopen() as store:
        assert store.items("a/") == {}


async def items_are_those_with_the_prefix(reopen: Open) -> None:
    async with reopen() as store:
        for key in ("a/1", "a/2", "ab", "b/1", "a%"):
            store.put(key, key.encode())
        await store.flush()
    async with reopen() as store:
        assert store.items("a/") == {"a/1": b"a/1", "a/2": b"a/2"}
        assert len(store.items("")) == 5


async def values_are_any_bytes_of_any_number(reopen: Open) -> None:
    values = {f"big/{number}": bytes([number % 256]) * 4_000 for number in range(450)} | {"empty": b"", "zero": b"\0"}
    async with reopen() as store:
        for key, value in values.items():
            store.put(key, value)
        await store.flush()
    async with reopen() as store:
        assert store.items("") == values


CONTRACT: list[Callable[[Open], Awaitable[None]]] = [
    nothing_was_kept,
    a_write_is_read_at_once_and_after_a_restart,
    dropping_the_absent_succeeds,
    items_are_those_with_the_prefix,
    values_are_any_bytes_of_any_number,
]


@pytest.mark.parametrize("rule", CONTRACT, ids=lambda rule: str(rule.__name__))
def test_the_contract(rule: Callable[[Open], Awaitable[None]], reopen: Open) -> None:
    async def run() -> None:
        await rule(reopen)

    asyncio.run(run())
