"""Three servers of one etcd: with two a leader goes on, with one it keeps what it has and says so; compaction is nothing
to it, because it watches nothing.
"""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from federation.adapters.etcd.client import EtcdClient
from federation.adapters.etcd.store import EtcdStore
from federation.model.errors import Unavailable
from tests.worlds.etcd import Etcd, cluster, etcd, needs_etcd
from tests.worlds.etcd_stores import TTL, access, candidate, held

pytestmark = needs_etcd
PREFIX = "test/quorum/"


async def confirmed(write: Callable[[], Awaitable[None]]) -> None:
    async with asyncio.timeout(30):
        while True:
            try:
                return await write()
            except Unavailable:
                await asyncio.sleep(0.05)


async def stored(server: Etcd) -> dict[str, bytes]:
    client = EtcdClient(access(server.plain))
    found = await client.prefix(f"{PREFIX}kept/".encode())
    client.close()
    return {key.decode().rpartition("/")[2]: value for key, value in found.values.items()}


def test_two_of_three_are_enough_and_one_is_not(tmp_path: Path) -> None:
    async def run(servers: list[Etcd]) -> None:
        first, second, third = servers
        async with held(candidate(first, PREFIX, tmp_path / "a", TTL, second, third)) as store:
            store.put("a", b"1")
            await store.flush()
            first.stop()
            store.put("b", b"2")
            await confirmed(store.flush)
            assert await stored(second) == {"a": b"1", "b": b"2"}
            second.stop()
            store.put("c", b"3")
            with pytest.raises(Unavailable) as caught:
                await store.flush()
            assert str(caught.value).startswith("E190 etcd does not answer: 127.0.0.1:") and "\n" not in str(
                caught.value
            )
            assert (store.get("a"), store.get("b"), store.get("c")) == (b"1", b"2", b"3")
            second.launch()
            await confirmed(store.flush)
            assert await stored(third) == {"a": b"1", "b": b"2", "c": b"3"}

    with cluster(tmp_path / "etcd") as servers:
        asyncio.run(run(servers))


def test_a_follower_takes_over_whole_though_every_write_was_compacted(tmp_path: Path) -> None:
    async def write(server: Etcd, store: EtcdStore) -> None:
        for number in range(30):
            store.put(f"k{number % 7}", b"%d" % number)
            await store.flush()
            revision = server.ask("kv/range", key="AA==")["header"]["revision"]
            await asyncio.to_thread(server.ask, "kv/compaction", revision=revision, physical=True)

    async def run(server: Etcd) -> None:
        follower = candidate(server, PREFIX, tmp_path / "b")
        waiting = None
        async with held(candidate(server, PREFIX, tmp_path / "a")) as leader:
            waiting = asyncio.create_task(follower.follow())
            await write(server, leader)
            said = leader.items("k")
        async with asyncio.timeout(20):
            await waiting
        assert follower.items("k") == said
        assert (len(said), follower.problems) == (7, ())
        await follower.resign()

    with etcd(tmp_path / "etcd") as server:
        asyncio.run(run(server))
