"""A real Envoy with our bootstrap over our xDS socket, two members' endpoints on this machine, and load through it."""

import asyncio
import json
import socket
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, closing
from math import exp
from pathlib import Path

from gateways.binary import find_envoy
from gateways.load.serve import LoadServer
from gateways.render.envoy.bootstrap import bootstrap
from gateways.render.envoy.resources import service_parts
from gateways.services import route_of
from gateways.state import Cluster, Host, Locality, NodeListener, ServiceState, Situation
from gateways.xds.encode import Encoder
from gateways.xds.serve import XdsServer
from tests.worlds.ports import free_port

NODE = Situation(node="n1", role="node", member="us-east", domain="acme.mesh", address="127.0.0.1")

ANSWER = b"HTTP/1.1 %s\r\ncontent-length: 0\r\n\r\n"


def milliseconds() -> int:
    return int(time.monotonic() * 1_000)


class LoadBed:
    """Envoy, its agent's socket and a backend that answers 500 for /bad. Weights are parts of a million."""

    def __init__(self, weights: dict[str, int]) -> None:
        self._weights = weights
        self._stack = AsyncExitStack()
        self.path = Path(tempfile.mkdtemp(prefix="load-"))
        self.ports: dict[str, int] = {}
        self.done: dict[str, list[float]] = {}
        self.enough = False
        self._encoder = Encoder()
        self.load = LoadServer("us-east", milliseconds)

    async def __aenter__(self) -> "LoadBed":
        self._backend = await asyncio.start_server(self._answer, "0.0.0.0", 0)
        self._backend_port = self._backend.sockets[0].getsockname()[1]
        await self.listen()
        sockets = str(self.path / "xds.sock"), str(self.path / "admin.sock")
        config = self.path / "envoy.json"
        config.write_text(json.dumps(bootstrap("n1", "us-east", "us", *sockets)))
        self._log = (self.path / "log").open("w")
        command = [find_envoy(), "-c", str(config), "--concurrency", "1", "--use-dynamic-base-id", "-l", "warning"]
        self._envoy = subprocess.Popen(command, stdout=self._log, stderr=subprocess.STDOUT)  # noqa: ASYNC220
        return self

    async def __aexit__(self, *what: object) -> None:
        self._envoy.kill()
        self._envoy.wait()
        self._log.close()
        await self.xds.stop()
        self._backend.close()

    async def listen(self) -> None:
        """The agent's socket; after a `stop` an agent that came back."""
        self.xds = XdsServer(self.path / "xds.sock", (self.load.handler(),))
        await self.xds.start()

    async def serve(self, **services: bool) -> None:
        """These services of the namespace shop by HTTP (else TCP), until Envoy holds them."""
        for name in services:
            self.ports.setdefault(name, free_port())
        clusters = tuple(self._cluster(name, http) for name, http in services.items())
        listeners = tuple(
            NodeListener(
                name=c.name, address="127.0.0.1", port=self.ports[name], http=c.http, chains=(), default=c.name
            )
            for name, c in zip(services, clusters, strict=True)
        )
        routes = tuple(route_of(cluster) for cluster in clusters if cluster.http)
        state = ServiceState(clusters=clusters, routes=routes, listeners=listeners)
        encoded = self._encoder.encode({"shop": tuple(service_parts(state, "acme.mesh", (), NODE))})
        assert encoded.problems == ()
        self.xds.offer(encoded.snapshot)
        await until(self.xds.settled)
        await until(lambda: all(map(reachable, self.ports.values())))

    async def offer(self, name: str, rps: int, seconds: float, path: str = "/") -> None:
        """Requests on one connection that stays open, begun on schedule where the machine keeps up; `done` has when.
        It ends sooner when that is `enough`.
        """
        reader, writer = await asyncio.open_connection("127.0.0.1", self.ports[name])
        with closing(writer):
            async for _ in self._schedule(rps, seconds):
                await self._ask(name, reader, writer, path)

    async def connect(self, name: str, rps: int, seconds: float) -> None:
        """As `offer`, each on a connection of its own, one after the other."""
        async for _ in self._schedule(rps, seconds):
            reader, writer = await asyncio.open_connection("127.0.0.1", self.ports[name])
            with closing(writer):
                await self._ask(name, reader, writer, "/")

    async def _schedule(self, rps: int, seconds: float) -> AsyncIterator[int]:
        begun = time.monotonic()
        for number in range(int(rps * seconds)):
            if self.enough:
                return
            await asyncio.sleep(max(0.0, begun + number / rps - time.monotonic()))
            yield number

    async def _ask(self, name: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: str) -> None:
        self.done.setdefault(name, []).append(time.monotonic())
        writer.write(b"GET %s HTTP/1.1\r\nhost: x\r\n\r\n" % path.encode())
        answer = await reader.readuntil(b"\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1")

    def expected(self, name: str, late: float = 3.0) -> tuple[float, float]:
        """Between what the average over 10 s of what was asked, in thousandths a second, must lie: as it is now, and as
        it was so many seconds ago.
        """
        now = time.monotonic()
        found = [100 * sum(exp((at - then) / 10) for at in self.done[name] if at <= then) for then in (now, now - late)]
        return min(found), max(found)

    def _cluster(self, name: str, http: bool) -> Cluster:
        localities = tuple(
            Locality(member, member, weight, (Host(f"127.0.0.{number}", self._backend_port),))
            for number, (member, weight) in enumerate(self._weights.items(), start=1)
        )
        return Cluster(name=f"out/shop/{name}/http/local", local="us-east", localities=localities, http=http)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                asked = await reader.readuntil(b"\r\n\r\n")
                writer.write(ANSWER % (b"500 Bad" if b"/bad" in asked else b"200 OK"))
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()


def reachable(port: int) -> bool:
    """True when something listens there."""
    try:
        with socket.create_connection(("127.0.0.1", port), 0.2):
            return True
    except OSError:
        return False


async def until(holds: Callable[[], bool], seconds: float = 30, why: Callable[[], str] = str) -> None:
    """Wait for it. AssertionError with `why` when it does not come about."""
    try:
        async with asyncio.timeout(seconds):
            while not holds():  # noqa: ASYNC110 - Envoy's doing has no event here
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError(why()) from None
