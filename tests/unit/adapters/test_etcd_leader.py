"""One leader over a real etcd: who slept writes nothing, who was cut off goes on, a store that went backwards is seen."""

import asyncio
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from federation.adapters.etcd.client import EtcdClient
from federation.adapters.etcd.store import EtcdStore
from federation.adapters.leadership import Deposed
from federation.adapters.mirror import Difference, Mirror
from federation.model.errors import Unavailable
from tests.worlds.etcd import Etcd, etcd, needs_etcd
from tests.worlds.etcd_stores import access, candidate, held, leading

pytestmark = needs_etcd
ENDED = "E190 etcd: the leadership ended; nothing is written"
_number = itertools.count()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Etcd]:
    with etcd(tmp_path_factory.mktemp("etcd")) as one:
        yield one


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Etcd]:
    """A server that the test may break."""
    with etcd(tmp_path / "etcd") as one:
        yield one


@pytest.fixture
def prefix() -> str:
    return f"test/{next(_number)}/"


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while True:
            if condition():
                return
            await asyncio.sleep(0.02)


async def stored(server: Etcd, prefix: str) -> dict[str, bytes]:
    client = EtcdClient(access(server.plain))
    found = await client.prefix(f"{prefix}kept/".encode())
    client.close()
    return {key.decode().removeprefix(f"{prefix}kept/"): value for key, value in found.values.items()}


def test_who_slept_past_its_lease_writes_nothing(server: Etcd, prefix: str, tmp_path: Path) -> None:
    async def run() -> None:
        sleeper = candidate(server, prefix, tmp_path / "a")
        await sleeper.follow()
        sleeper.put("key", b"old")
        await sleeper.flush()
        async with leading(server, prefix, tmp_path / "b") as other:
            assert other.get("key") == b"old"
            assert sleeper.leads, "it slept: nobody told it"
            sleeper.put("key", b"from the past")
            with pytest.raises(Unavailable) as refused:
                await sleeper.flush()
            assert str(refused.value) == ENDED
            other.put("key", b"new")
            await other.flush()
            assert await stored(server, prefix) == {"key": b"new"}
            with pytest.raises(Deposed):
                await sleeper.keep()
        await sleeper.resign()

    asyncio.run(run())


def test_a_follower_waits_and_takes_over_what_was_written(server: Etcd, prefix: str, tmp_path: Path) -> None:
    async def run() -> None:
        async with leading(server, prefix, tmp_path / "a") as first:
            second = candidate(server, prefix, tmp_path / "b")
            waiting = asyncio.create_task(second.follow())
            await until(lambda: second.problems != ())
            [line] = second.problems
            assert line.startswith("another controller leads: holder-")
            first.put("key", b"value")
            await first.flush()
            mirror = Mirror(tmp_path / "b" / "etcd-mirror.sqlite")
            await until(lambda: mirror.content() == {"key": b"value"})
            assert not second.leads
        await asyncio.wait_for(waiting, 20)
        assert (second.get("key"), second.problems) == (b"value", ())
        await second.resign()

    asyncio.run(run())


def test_a_leader_whose_lease_ended_goes_on_when_nobody_else_led(server: Etcd, prefix: str, tmp_path: Path) -> None:
    async def run() -> None:
        async with leading(server, prefix, tmp_path / "a") as store:
            store.put("key", b"1")
            await store.flush()
            ended = store._fence
            server.ask("lease/revoke", ID=str(store._lease))
            store.put("key", b"2")
            await flushed(store)
            assert store._fence > ended
            assert await stored(server, prefix) == {"key": b"2"}

    asyncio.run(run())


def test_a_leader_goes_on_after_an_outage(own: Etcd, prefix: str, tmp_path: Path) -> None:
    async def run() -> None:
        async with leading(own, prefix, tmp_path / "a") as store:
            store.put("before", b"1")
            await store.flush()
            own.stop()
            store.put("during", b"2")
            with pytest.raises(Unavailable, match=r"^E190 etcd does not answer: 127.0.0.1:[0-9]+: "):
                await store.flush()
            assert store.get("during") == b"2"
            await until(lambda: store.problems != ())
            own.start()
            await flushed(store)
            assert await stored(own, prefix) == {"before": b"1", "during": b"2"}

    asyncio.run(run())


async def flushed(store: EtcdStore) -> None:
    async with asyncio.timeout(20):
        while True:
            try:
                return await store.flush()
            except Unavailable:
                await asyncio.sleep(0.05)


def test_a_write_whose_confirmation_was_lost_is_written_once(own: Etcd, prefix: str, tmp_path: Path) -> None:
    async def run() -> None:
        async with leading(own, prefix, tmp_path / "a") as store:
            store.put("key", b"value")
            commit = store._client.commit

            async def unheard(*arguments: object, **named: object) -> None:
                await commit(*arguments, **named)  # type: ignore[arg-type]
                raise Unavailable("the answer was lost")

            store._client.commit = unheard  # type: ignore[method-assign, assignment]
            with pytest.raises(Unavailable):
                await store.flush()
            store._client.commit = commit  # type: ignore[method-assign]
            store.put("next", b"2")
            await store.flush()
            assert await stored(own, prefix) == {"key": b"value", "next": b"2"}
            assert store._written.partition(b" ")[0] == b"2"

    asyncio.run(run())


def test_a_store_that_went_backwards_is_frozen_until_accepted(own: Etcd, prefix: str, tmp_path: Path) -> None:
    async def run() -> None:
        folder = tmp_path / "a"
        async with leading(own, prefix, folder) as store:
            store.put("kept", b"1")
            store.put("gone", b"1")
            store.put("doomed", b"1")
            await store.flush()
        own.snapshot(tmp_path / "backup")
        async with leading(own, prefix, folder) as store:
            store.drop("gone")
            store.put("kept", b"2")
            await store.flush()
            store.put("late", b"1")
            await store.flush()
        own.restore(tmp_path / "backup")
        async with leading(own, prefix, folder) as store:
            [line] = store.problems
            assert line.startswith("store went backwards: revision ")
            assert line.endswith(
                f", write 1 after 3; deletes are frozen: `isthmus store accept --state {folder}` shows the difference and accepts it"
            )
            assert store.items("") == {"kept": b"2", "late": b"1", "doomed": b"1"}
            store.put("new", b"1")
            store.drop("late")
            store.drop("doomed")
            await store.flush()
            assert await stored(own, prefix) == {"kept": b"1", "gone": b"1", "doomed": b"1", "new": b"1"}
        mirror = Mirror(folder / "etcd-mirror.sqlite")
        async with leading(own, prefix, folder) as store:
            assert store.problems == (line,), "a restart forgets nothing"
            assert store.items("") == {"kept": b"2", "new": b"1"}
            assert mirror.differences() == [
                Difference("doomed", b"1", b"1", None),
                Difference("gone", None, b"1", None),
                Difference("kept", b"2", b"1", b"2"),
            ]
            mirror.accept()
            await until(lambda: store.problems == ())
            assert await stored(own, prefix) == {"kept": b"2", "new": b"1"}
            store.drop("new")
            await store.flush()
            assert await stored(own, prefix) == {"kept": b"2"}

    asyncio.run(run())


def test_a_write_to_a_store_that_went_backwards_is_refused_by_the_write_itself(
    own: Etcd, prefix: str, tmp_path: Path
) -> None:
    async def run() -> None:
        store = candidate(own, prefix, tmp_path / "a", ttl=60)
        await store.follow()
        store.put("key", b"1")
        await store.flush()
        own.snapshot(tmp_path / "backup")
        store.put("key", b"2")
        await store.flush()
        own.restore(tmp_path / "backup")
        store.put("key", b"3")
        with pytest.raises(Unavailable) as refused:
            await store.flush()
        assert str(refused.value) == "E190 etcd: the store has not what was written last; nothing is written"
        assert await stored(own, prefix) == {"key": b"1"}
        assert store.problems[0].startswith("store went backwards: ")
        await store.flush()
        assert await stored(own, prefix) == {"key": b"3"}
        await store.resign()

    asyncio.run(run())


def test_a_store_that_goes_backwards_under_a_leader_is_seen(own: Etcd, prefix: str, tmp_path: Path) -> None:
    async def run() -> None:
        own.snapshot(tmp_path / "backup")
        folder = tmp_path / "a"
        store = candidate(own, prefix, folder)
        await store.follow()
        store.put("key", b"1")
        await store.flush()
        own.restore(tmp_path / "backup")
        with pytest.raises(Deposed):
            await store.keep()
        await store.resign()
        async with leading(own, prefix, folder) as again:
            assert again.problems[0].startswith("store went backwards: ")
            assert again.get("key") == b"1"

    asyncio.run(run())


def test_a_follower_accepts_what_the_leader_was_told_to(own: Etcd, prefix: str, tmp_path: Path) -> None:
    async def run() -> None:
        own.snapshot(tmp_path / "backup")
        leader, follower = candidate(own, prefix, tmp_path / "a"), candidate(own, prefix, tmp_path / "b")
        async with held(leader):
            waiting = asyncio.create_task(follower.follow())
            leader.put("key", b"1")
            await leader.flush()
            mirror = Mirror(tmp_path / "b" / "etcd-mirror.sqlite")
            await until(lambda: mirror.content() == {"key": b"1"})
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
        own.restore(tmp_path / "backup")
        async with leading(own, prefix, tmp_path / "a") as again:
            waiting = asyncio.create_task(follower.follow())
            await until(lambda: any("went backwards" in text for text in follower.problems))
            Mirror(tmp_path / "a" / "etcd-mirror.sqlite").accept()
            await until(lambda: again.problems == ())
            await until(lambda: not any("went backwards" in text for text in follower.problems))
            assert mirror.content() == {"key": b"1"}
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
        await follower.resign()

    asyncio.run(run())
