"""Probes against a real server on loopback that is told what to answer."""

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable

import pytest
from msgspec import structs

from federation.model.policy import Probe
from federation.probing.prober import Prober
from federation.probing.target import Composite, Target
from tests.worlds.probes import passes

FAST = Probe(path="/healthz", interval_ms=5, timeout_ms=2_000, unhealthy=2, healthy=2)


class Server:
    """Says `answer` to every connection; counts and keeps what it was asked."""

    def __init__(self) -> None:
        self.answer = b"HTTP/1.1 200 OK\r\n\r\n"
        self.asked: list[bytes] = []

    async def serve(self, story: Callable[[int], Awaitable[None]]) -> None:
        server = await asyncio.start_server(self._connection, "127.0.0.1", 0)
        async with server:
            await story(server.sockets[0].getsockname()[1])
        while left := asyncio.all_tasks() - {asyncio.current_task()}:
            await asyncio.wait(left)

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            self.asked.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(self.answer)
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n", True),
        (b"HTTP/1.0 399 Strange\r\n\r\n", True),
        (b"HTTP/1.1 204\r\n\r\n", True),
        (b"HTTP/1.1 400 Bad\r\n\r\n", False),
        (b"HTTP/1.1 503 Unavailable\r\n\r\n", False),
        (b"HTTP/1.1 one OK\r\n\r\n", False),
        (b"SSH-2.0-x\r\n", False),
        (b"HTTP/1.1 200", False),
        (b"", False),
        (b"x" * 200_000, False),
    ],
)
def test_an_answer_of_200_to_399_is_well(answer: bytes, expected: bool) -> None:
    server = Server()
    server.answer = answer

    async def story(port: int) -> None:
        assert await passes(Target("127.0.0.1", port, "shop.example.test", FAST)) is expected
        assert server.asked[0].startswith(b"GET /healthz HTTP/1.1\r\nHost: shop.example.test\r\n")

    asyncio.run(server.serve(story))


def test_without_a_path_a_connection_is_enough_and_a_closed_port_is_not() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        assert asyncio.run(passes(Target("127.0.0.1", port, "", Probe())))
    assert not asyncio.run(passes(Target("127.0.0.1", port, "", Probe())))


def test_one_who_never_answers_is_not_waited_for() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        target = Target("127.0.0.1", listening.getsockname()[1], "", Probe(path="/", timeout_ms=20))
        assert not asyncio.run(passes(target))


def test_a_verdict_follows_the_answers_and_wakes_whoever_waits() -> None:
    server = Server()

    async def story(port: int) -> None:
        prober: Prober[str] = Prober()
        prober.want({"web": Composite((Target("127.0.0.1", port, "h", FAST),))})
        seen = []
        for answer in (server.answer, b"HTTP/1.1 503 No\r\n\r\n", server.answer):
            server.answer = answer
            await asyncio.wait_for(prober.changed.wait(), 20)
            prober.changed.clear()
            seen.append(prober.verdicts["web"].up)
        await prober.stop()
        assert seen == [True, False, True]
        assert prober.verdicts == {}

    asyncio.run(server.serve(story))


def test_who_fails_is_told_and_one_target_is_changed_without_the_others() -> None:
    server = Server()
    server.answer = b"HTTP/1.1 503 No\r\n\r\n"

    async def story(port: int) -> None:
        prober: Prober[str] = Prober()
        target = Composite((Target("127.0.0.1", port, "h", FAST),))
        nobody = prober.failing
        prober.want({"a": target, "b": target, "c": target})
        async with asyncio.timeout(20):
            while prober.failing != {"a", "b", "c"}:
                await prober.changed.wait()
                prober.changed.clear()
        assert nobody == frozenset() and prober.failing is prober.failing
        prober.adjust({"a": None, "b": target, "unknown": None})
        assert prober.failing == {"b", "c"} and prober.verdicts.keys() == {"b", "c"}
        server.answer = b"HTTP/1.1 200 OK\r\n\r\n"
        async with asyncio.timeout(20):
            while prober.failing:
                await prober.changed.wait()
                prober.changed.clear()
        assert prober.verdicts["b"].up and prober.verdicts["c"].up
        await prober.stop()

    asyncio.run(server.serve(story))


def test_what_is_the_same_target_is_probed_once_and_known_at_once_to_who_comes_later() -> None:
    server = Server()
    slow = structs.replace(FAST, interval_ms=600_000)

    async def story(port: int) -> None:
        prober: Prober[str] = Prober()
        target = Composite((Target("127.0.0.1", port, "h", FAST),))
        prober.want({f"{number}": target for number in range(50)})
        await asyncio.wait_for(prober.changed.wait(), 20)
        assert len(prober.verdicts) == 50 and len(server.asked) < 10, "50 keys of one target make the probes of one"
        assert prober.moved() == {f"{number}" for number in range(50)} and prober.moved() == set()
        both = Composite((*target.parts, Target("127.0.0.1", port, "other", slow)), need=1)
        prober.adjust({"late": target, "both": both, "7": None})
        assert prober.verdicts["late"].up and prober.verdicts["both"].up and prober.moved() == {"late", "both"}
        assert [one.up for one in prober.parts("both")] == [True, None]
        prober.want({"late": target})
        assert prober.verdicts["late"].up and not prober.moved()
        await prober.stop()

    asyncio.run(server.serve(story))


def test_those_who_hang_hold_up_their_own_group_only() -> None:
    """Hundreds of targets of one owner take connections and never answer; another owner's is probed all the same."""
    server = Server()
    hanging = Probe(path="/", interval_ms=5, timeout_ms=30_000, unhealthy=2, healthy=2)

    async def story(port: int) -> None:
        with socket.create_server(("127.0.0.1", 0), backlog=1_000) as tarpit:
            where = tarpit.getsockname()[1]
            prober: Prober[str] = Prober(at_once=256)
            bad = Composite((Target("127.0.0.1", where, "h", hanging, group="bad"),))
            good = Composite((Target("127.0.0.1", port, "h", FAST, group="good"),))
            prober.want({f"bad-{n}": bad for n in range(300)} | {"web": good})
            for answer in (server.answer, b"HTTP/1.1 503 No\r\n\r\n"):
                server.answer = answer
                await asyncio.wait_for(prober.changed.wait(), 20)
                prober.changed.clear()
            assert prober.verdicts["web"].up is False
            await prober.stop()

    asyncio.run(server.serve(story))


def test_another_port_will_do() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        with socket.create_server(("127.0.0.1", 0)) as gone:
            closed = gone.getsockname()[1]
        assert asyncio.run(passes(Target("127.0.0.1", closed, "", Probe(), also=port)))
        assert not asyncio.run(passes(Target("127.0.0.1", closed, "", Probe())))
