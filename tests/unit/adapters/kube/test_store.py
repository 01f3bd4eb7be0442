"""The store in Secrets over the API double: who claims fences who led before; what was set back is seen; limits."""

import asyncio
import itertools
import random
import shutil
import tempfile
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from federation.adapters.kube.elect import Leadership
from federation.adapters.kube.http import Http
from federation.adapters.kube.kubeconfig import read_kubeconfig
from federation.adapters.kube.pace import Pace
from federation.adapters.kube.shards import SHARDS, name_of, shard_of
from federation.adapters.kube.store import KubeStore
from federation.adapters.leadership import Deposed
from federation.adapters.mirror import Mirror
from federation.model.errors import InputError, Unavailable
from tests.worlds.clusters import Bed, Cluster
from tests.worlds.public_cli import closed_since, open_sockets

NOISE = bytes(range(256))
_names = itertools.count(1)


@pytest.fixture(scope="module")
def api() -> Iterator[Cluster]:
    bed = Bed("double", Path(tempfile.mkdtemp(prefix="isthmus-store-")))
    try:
        yield bed.one
    finally:
        bed.end()
        shutil.rmtree(bed.folder)


@pytest.fixture
def namespace(api: Cluster) -> str:
    return api.namespace()


class Candidate:
    """One controller's store; its leadership is watched while `open`."""

    def __init__(self, api: Cluster, namespace: str, folder: Path, member: str = "f/us") -> None:
        folder.mkdir(exist_ok=True)
        self.http = Http(read_kubeconfig(api.kubeconfig, None), Pace())
        self.leadership = Leadership(self.http, namespace, f"me-{next(_names)}", "127.0.0.1:1")
        self.mirror = Mirror(folder / "kube-mirror.sqlite")
        self.store = KubeStore(self.http, namespace, member, self.leadership, self.mirror, nothing)


async def nothing() -> None:
    """No write is ever under way here."""


@asynccontextmanager
async def leading(one: Candidate, release: bool = True) -> AsyncIterator[KubeStore]:
    async with one.http.opened(), asyncio.timeout(60):
        tasks = [asyncio.create_task(one.leadership.watch())]
        try:
            await one.store.follow()
            tasks.append(asyncio.create_task(one.store.keep()))
            yield one.store
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            if release:
                await one.store.resign()


def run(work: Coroutine[Any, Any, None]) -> None:
    async def whole() -> None:
        before = open_sockets()
        await work
        await closed_since(before)

    asyncio.run(whole())


def secret(namespace: str, key: str) -> str:
    return f"/api/v1/namespaces/{namespace}/secrets/{name_of(shard_of(key))}"


def test_what_was_flushed_is_there_for_the_next_leader(api: Cluster, namespace: str, tmp_path: Path) -> None:
    async def work() -> None:
        async with leading(Candidate(api, namespace, tmp_path / "a")) as store:
            for number in range(50):
                store.put(f"address/{number}", NOISE)
            store.put("gone", b"x")
            await store.flush()
            store.drop("gone")
            store.put("never flushed", b"x")
            del store._staged["never flushed"]
            await store.flush()
        async with leading(Candidate(api, namespace, tmp_path / "b")) as store:
            assert store.items("") == {f"address/{number}": NOISE for number in range(50)}
            assert store.problems == ()

    run(work())


def test_only_the_shards_that_changed_are_written(api: Cluster, namespace: str, tmp_path: Path) -> None:
    async def work() -> None:
        async with leading(Candidate(api, namespace, tmp_path / "a")) as store:
            before = versions(api, namespace)
            store.put("key", b"value")
            await store.flush()
            await store.flush()
            after = versions(api, namespace)
            assert [n for n in range(SHARDS) if before[n] != after[n]] == [shard_of("key")]

    run(work())


def versions(api: Cluster, namespace: str) -> list[str]:
    base = f"/api/v1/namespaces/{namespace}/secrets"
    return [api.call("GET", f"{base}/{name_of(number)}").version for number in range(SHARDS)]


def test_a_leader_of_the_past_is_refused_by_the_claim_of_the_next(api: Cluster, namespace: str, tmp_path: Path) -> None:
    async def work() -> None:
        old = Candidate(api, namespace, tmp_path / "a")
        async with leading(old, release=False) as store:
            store.put("key", b"old")
            await store.flush()
            await hand_over(old)
            async with leading(Candidate(api, namespace, tmp_path / "b")) as new:
                assert new.get("key") == b"old"
                store.put("key", b"from the past")
                with pytest.raises(Unavailable) as asleep:
                    await store.flush()
                assert str(asleep.value) == "E190 kubernetes: this controller does not lead now; nothing is written"
                old.leadership.election.deadline = float("inf")
                with pytest.raises(Deposed) as refused:
                    await store.flush()
                where = f"E190 Secret {namespace}/{name_of(shard_of('key'))}"
                assert str(refused.value) == f"{where}: is not as we wrote it; nothing is written"
                assert not store.leads
                new.put("key", b"new")
                await new.flush()

    run(work())


async def hand_over(old: Candidate) -> None:
    """The Lease is released without the store's knowledge, as if it had ended while the leader slept."""
    await old.leadership.release()


def test_a_write_whose_answer_was_lost_is_no_other_leader_s(api: Cluster, namespace: str, tmp_path: Path) -> None:
    async def work() -> None:
        one = Candidate(api, namespace, tmp_path / "a")
        async with leading(one) as store:
            store.put("key", b"first")
            before = list(store._shards)
            await store.flush()
            store._shards = before
            store.put("key", b"second")
            await store.flush()
        async with leading(Candidate(api, namespace, tmp_path / "b")) as store:
            assert store.get("key") == b"second"

    run(work())


def test_a_secret_set_back_freezes_deletes_until_it_is_accepted(api: Cluster, namespace: str, tmp_path: Path) -> None:
    async def work() -> None:
        path = secret(namespace, "key")
        async with leading(Candidate(api, namespace, tmp_path / "a")) as store:
            store.put("key", b"one")
            await store.flush()
            backup = api.ok("GET", path)
            for value in (b"two", b"three"):
                store.put("key", value)
                await store.flush()
        del backup["metadata"]["resourceVersion"], backup["metadata"]["uid"]
        api.ok("PUT", path, backup)
        again = Candidate(api, namespace, tmp_path / "a")
        async with leading(again) as store:
            command = f"isthmus store accept --state {tmp_path / 'a'}"
            frozen = f"deletes are frozen: `{command}` shows the difference and accepts it"
            assert store.problems == (f"store went backwards: write 1 after 3; {frozen}",)
            assert store.get("key") == b"three", "what was known last stays in force"
            store.drop("key")
            store.put("other", b"x")
            await store.flush()
            assert [(one.key, one.now, one.wanted) for one in again.mirror.differences()] == [("key", b"one", None)]
            again.mirror.accept()
            async with asyncio.timeout(10):
                while again.mirror.frozen:  # noqa: ASYNC110 - what is awaited is a state
                    await asyncio.sleep(0.02)
        async with leading(Candidate(api, namespace, tmp_path / "b")) as store:
            assert (store.get("key"), store.get("other"), store.problems) == (None, b"x", ())

    run(work())


def test_who_knows_only_what_the_lease_says_sees_it_too(api: Cluster, namespace: str, tmp_path: Path) -> None:
    async def work() -> None:
        path = secret(namespace, "key")
        one = Candidate(api, namespace, tmp_path / "a")
        async with leading(one) as store:
            store.put("key", b"one")
            await store.flush()
            backup = api.ok("GET", path)
            store.put("key", b"two")
            await store.flush()
            await one.leadership._renew(store._counts())
        del backup["metadata"]["resourceVersion"], backup["metadata"]["uid"]
        api.ok("PUT", path, backup)
        async with leading(Candidate(api, namespace, tmp_path / "b")) as store:
            [line] = store.problems
            what = f"store went backwards: Secret {namespace}/{name_of(shard_of('key'))} has write 1 after 2; deletes are frozen: "
            assert line.startswith(what)
            assert store.get("key") == b"one"

    run(work())


def test_a_shard_holds_so_much_and_no_more(api: Cluster, namespace: str, tmp_path: Path) -> None:
    async def work() -> None:
        noise = random.Random(1).randbytes(930_000)
        async with leading(Candidate(api, namespace, tmp_path / "a")) as store:
            store.put("key", noise[:800_000])
            await store.flush()
            with pytest.raises(Unavailable) as refused:
                store.put("key", noise)
            where = f"E190 Secret {namespace}/{name_of(shard_of('key'))}"
            text = f'{where}: with key "key" it would hold 930011 bytes, limit 921600; keep the state in etcd (--store etcd)'
            assert str(refused.value) == text
            assert store.get("key") == noise[:800_000], "the old one stays"
            store.put("key", bytes(2_000_000))
            await store.flush()
        async with leading(Candidate(api, namespace, tmp_path / "b")) as store:
            assert store.get("key") == bytes(2_000_000), "what is easily compressed has room"

    run(work())


def test_another_member_s_store_is_not_touched(api: Cluster, namespace: str, tmp_path: Path) -> None:
    async def work() -> None:
        async with leading(Candidate(api, namespace, tmp_path / "a")) as store:
            store.put("key", b"one")
            await store.flush()
        before = versions(api, namespace)
        with pytest.raises(InputError, match='holds the state of member "f/us", not of "f/eu"'):
            async with leading(Candidate(api, namespace, tmp_path / "b", "f/eu")):
                raise AssertionError("it leads")
        assert versions(api, namespace) == before

    run(work())
