"""So many xDS clients in one process: `xds_generator.py FOLDER PORT COUNT` (PORT 0: the unix socket). JSON answers stdin.

Each asks as Envoy does: clusters, then their endpoints, then listeners, every answer acknowledged. `connect`: when the
last client had everything. `wait N`: when the last one acknowledged the change number N. `again`: all close and come
back with the versions they hold; `count`: how many resources all were sent since then.
"""

import asyncio
import json
import resource
import sys
import time
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[2])

from envoy.service.discovery.v3 import discovery_pb2  # noqa: E402

from federation.link.tls import client_context  # noqa: E402
from gateways.xds.messages import CDS, EDS, LDS  # noqa: E402
from tests.bench.xds_content import CLIENT, shown  # noqa: E402
from tests.worlds.xds_client import Line, dial  # noqa: E402

Request, Response = discovery_pb2.DeltaDiscoveryRequest, discovery_pb2.DeltaDiscoveryResponse


class Client:
    """One stream. `changes` is the number of the last change that it acknowledged."""

    line: Line

    def __init__(self, crowd: "Crowd") -> None:
        self._crowd = crowd
        self.have: dict[str, int] = {}

    def greet(self, type_url: str, names: tuple[str, ...] = (), versions: dict[str, str] | None = None) -> None:
        message = Request(type_url=type_url, resource_names_subscribe=names)
        message.node.id = CLIENT if type_url == CDS else ""
        message.initial_resource_versions.update(versions or {})
        self.line.send(message.SerializeToString())

    def take(self, raw: bytes) -> None:
        response = Response.FromString(raw)
        self._crowd.took(response)
        self.line.send(Request(type_url=response.type_url, response_nonce=response.nonce).SerializeToString())
        first = response.type_url not in self.have
        self.have[response.type_url] = len(response.resources)
        if first and response.type_url == CDS:
            self.greet(EDS, tuple(self._crowd.versions[CDS]))
        elif first and response.type_url == EDS:
            self.greet(LDS)
        elif first and response.type_url == LDS:
            self._crowd.done()


class Crowd:
    """All clients of this process."""

    def __init__(self, folder: Path, port: int, count: int) -> None:
        anchors = (folder / "anchor.pem").read_text()
        self._context = client_context(shown(folder, "client"), anchors) if port else None
        self._address: tuple[str, int] | Path = ("127.0.0.1", port) if port else folder / "xds.sock"
        self.clients = [Client(self) for _ in range(count)]
        self._left = count
        self._all = asyncio.Event()
        self.resources = 0
        self.versions: dict[str, dict[str, str]] = {CDS: {}, EDS: {}, LDS: {}}
        self._wanted = ""
        self._seen = 0

    def took(self, response: discovery_pb2.DeltaDiscoveryResponse) -> None:
        self.resources += len(response.resources)
        versions = self.versions[response.type_url]
        if len(response.resources) != len(versions):
            versions.update({one.name: one.version for one in response.resources})
        if response.type_url == EDS and len(response.resources) == 1:
            self._seen += 1
            if self._seen == len(self.clients):
                self._all.set()

    def done(self) -> None:
        self._left -= 1
        if not self._left:
            self._all.set()

    async def _dial(self, client: Client) -> None:
        client.line = await dial("DeltaAggregatedResources", client.take, self._address, self._context)

    async def connect(self) -> float:
        self._all.clear()
        await self._each(self._first)
        await self._all.wait()
        return time.monotonic()

    async def _first(self, client: Client) -> None:
        await self._dial(client)
        client.greet(CDS)

    async def _each(self, act: object) -> None:
        assert callable(act)
        gate = asyncio.Semaphore(200)

        async def one(client: Client) -> None:
            async with gate:
                await act(client)

        await asyncio.gather(*(one(client) for client in self.clients))

    async def wait(self) -> float:
        await self._all.wait()
        return time.monotonic()

    async def again(self) -> None:
        self.resources = 0
        for client in self.clients:
            client.line.close()
        await self._each(self._resume)

    async def _resume(self, client: Client) -> None:
        await self._dial(client)
        client.greet(CDS, (), self.versions[CDS])
        client.greet(EDS, tuple(self.versions[EDS]), self.versions[EDS])
        client.greet(LDS, (), self.versions[LDS])

    def expect(self) -> None:
        self._seen = 0
        self._all.clear()


async def main() -> None:
    folder, port, count = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    crowd = Crowd(folder, port, count)
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        answer: dict[str, object] = {}
        match line.strip():
            case "connect":
                answer["at"] = await crowd.connect()
            case "expect":
                crowd.expect()
            case "wait":
                answer["at"] = await crowd.wait()
            case "again":
                await crowd.again()
        spent = resource.getrusage(resource.RUSAGE_SELF)
        answer |= {"resources": crowd.resources, "processor": spent.ru_utime + spent.ru_stime}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
