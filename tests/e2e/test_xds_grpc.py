"""State of the world against gRPC's own client, which is stricter than Envoy (research/xds-trust.md 2.7)."""

import asyncio
import json
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import pytest

from gateways.xds.messages import CDS, EDS, LDS, RDS, Resource, Snapshot
from gateways.xds.serve import XdsServer
from tests.e2e.xds_envoy import Counting
from tests.worlds.xds_resources import Json, api_listener, cluster, endpoints, locality, route, world

CHILD = Path(__file__).with_name("xds_grpc_child.py")
NAME = "web.shop.svc.clusterset.local:80"


def backend(name: str) -> tuple[grpc.Server, int]:
    """A gRPC server that answers with its name."""
    handler = grpc.unary_unary_rpc_method_handler(lambda request, context: name.encode())
    server = grpc.server(ThreadPoolExecutor(4))
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test", {"Name": handler}),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    return server, port


@pytest.fixture(scope="module")
def ports() -> Iterator[tuple[int, int]]:
    servers = backend("one"), backend("two")
    yield servers[0][1], servers[1][1]
    for server, _ in servers:
        server.stop(None).wait()


def service(*localities: Json) -> Snapshot:
    return world(
        clusters=[cluster("web")],
        endpoints=[endpoints("web", *localities)],
        listeners=[api_listener(NAME, "web")],
        routes=[route("web", "web", "*")],
    )


class Bed:
    """The server and one client. `sent` are the types and names of all responses of the server that runs now."""

    def __init__(self, folder: Path, path: Path | None = None) -> None:
        self._path = path or folder / "xds.sock"
        self._folder = folder

    async def serve(self) -> None:
        self.server = XdsServer(self._path)
        counting = self.server._hub._bodies = Counting()
        self.sent = counting.sent
        await self.server.start()

    async def spawn(self) -> None:
        bootstrap = {
            "xds_servers": [
                {
                    "server_uri": f"unix:{self._path}",
                    "channel_creds": [{"type": "insecure"}],
                    "server_features": ["xds_v3"],
                }
            ],
            "node": {"id": "client"},
        }
        log = (self._folder / "log").open("w")
        self.process = await asyncio.create_subprocess_exec(
            sys.executable,
            str(CHILD),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
            env={**os.environ, "GRPC_XDS_BOOTSTRAP_CONFIG": json.dumps(bootstrap)},
        )
        log.close()

    async def call(self, count: int = 1, target: str = NAME) -> dict[str, int]:
        """Answers by how often they came."""
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(f"{target} {count}\n".encode())
        async with asyncio.timeout(40):
            found: dict[str, int] = json.loads(await self.process.stdout.readline())
        return found

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(20):
            while not condition():  # noqa: ASYNC110 - what is awaited is a state, not an event
                await asyncio.sleep(0.01)

    async def answers(self, *names: str) -> None:
        """Wait until nobody but these answers."""
        async with asyncio.timeout(20):
            while set(await self.call(20)) != set(names):  # noqa: ASYNC110 - what is awaited is the client's state
                await asyncio.sleep(0.01)


@asynccontextmanager
async def grpc_bed() -> AsyncIterator[Bed]:
    with tempfile.TemporaryDirectory() as folder:
        bed = Bed(Path(folder))
        await bed.serve()
        await bed.spawn()
        try:
            yield bed
        finally:
            bed.process.kill()
            await bed.process.wait()
            await bed.server.stop()


def play(act: Callable[[Bed], Awaitable[None]]) -> None:
    async def main() -> None:
        async with grpc_bed() as bed:
            await act(bed)

    asyncio.run(main())


def test_2_7_3_the_client_finds_its_service_by_name(ports: tuple[int, int]) -> None:
    async def act(bed: Bed) -> None:
        bed.server.offer(service(locality([ports[0]])))
        assert await bed.call(5) == {"one": 5}
        assert [kind for kind, _ in bed.sent] == [LDS, RDS, CDS, EDS]
        bed.sent.clear()
        bed.server.offer(service(locality([ports[1]])), {(EDS, "web")})
        await bed.answers("two")
        assert bed.sent == [(EDS, ("web",))]

    play(act)


def test_2_7_11_a_server_that_restarts_sends_nothing_to_who_is_current(ports: tuple[int, int]) -> None:
    async def act(bed: Bed) -> None:
        bed.server.offer(service(locality([ports[0]])))
        assert await bed.call() == {"one": 1}
        await bed.until(bed.server.settled)
        await bed.server.stop()
        await bed.serve()
        bed.server.offer(service(locality([ports[0]])))
        await bed.until(bed.server.settled)
        await bed.until(lambda: bed.server.holds(EDS) and bed.server.holds(RDS))
        assert bed.sent == [] and await bed.call() == {"one": 1}

    play(act)


def test_2_7_13_the_split_is_that_of_locality_weights_in_one_priority(ports: tuple[int, int]) -> None:
    async def act(bed: Bed) -> None:
        bed.server.offer(service(locality([ports[0]], 250_000, "a"), locality([ports[1]], 750_000, "b")))
        await bed.answers("one", "two")
        said = await bed.call(1_000)
        assert set(said) == {"one", "two"} and 200 <= said["one"] <= 300

    play(act)


def bad(ports: tuple[int, int]) -> dict[str, tuple[Resource, str]]:
    """What gRPC refuses, and a word of what it says."""
    one, two = ports
    return {
        "2.7.14 one address twice": (
            endpoints("web", locality([one], zone="a"), locality([one], zone="b")),
            "duplicate endpoint address",
        ),
        "2.1 a gap between priorities": (
            endpoints("web", locality([one]), locality([two], zone="b", priority=2)),
            "priority 2",
        ),
    }


@pytest.mark.parametrize("what", ["2.7.14 one address twice", "2.1 a gap between priorities"])
def test_2_7_10_what_grpc_refuses_is_named_and_its_last_good_stays(what: str, ports: tuple[int, int]) -> None:
    async def act(bed: Bed) -> None:
        first = service(locality([ports[0]]))
        bed.server.offer(first)
        await bed.answers("one")
        await bed.until(bed.server.settled)
        broken, words = bad(ports)[what]
        bed.server.offer({**first, EDS: {"web": broken}})
        await bed.until(bed.server.problems)
        (problem,) = bed.server.problems()
        assert problem.startswith("E190 envoy refuses ClusterLoadAssignment web: ") and words in problem
        assert await bed.call(5) == {"one": 5}
        bed.server.offer(service(locality([ports[1]])))
        await bed.answers("two")
        assert bed.server.problems() == ()

    play(act)


def test_2_7_15_a_listener_that_was_not_there_works_when_it_comes(ports: tuple[int, int]) -> None:
    async def act(bed: Bed) -> None:
        first = service(locality([ports[0]]))
        bed.server.offer({**first, LDS: {}})
        assert set(await bed.call()) == {"DEADLINE_EXCEEDED Deadline Exceeded"}
        bed.server.offer(first)
        await bed.answers("one")

    play(act)


def test_2_7_7_another_cluster_behind_the_route_loses_no_call(ports: tuple[int, int]) -> None:
    async def act(bed: Bed) -> None:
        first = service(locality([ports[0]]))
        bed.server.offer(first)
        await bed.answers("one")
        for number in range(4):
            name = f"web{number}"
            bed.server.offer(
                {
                    **first,
                    CDS: {name: cluster(name)},
                    EDS: {name: endpoints(name, locality([ports[number % 2]]))},
                    RDS: {"web": route("web", name)},
                }
            )
            said = await bed.call(300)
            assert set(said) <= {"one", "two"}
            await bed.answers(("one", "two")[number % 2])

    play(act)
