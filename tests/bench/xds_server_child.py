"""Our xDS server as a process of its own: `xds_server_child.py FOLDER central|unix|floor`. JSON answers stdin.

`stat`: resident MB, processor seconds, streams, whether every client acknowledged everything. `change`: one endpoint
more; when it was offered, and then when the last stream acknowledged it (monotonic seconds, which all processes share).
"""

import asyncio
import json
import resource
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import grpc.aio

sys.path[0] = str(Path(__file__).resolve().parents[2])

from gateways.xds.central import OPTIONS, CentralServer, _configuration  # noqa: E402
from gateways.xds.hub import Variant  # noqa: E402
from gateways.xds.messages import CDS, EDS, LDS, Response  # noqa: E402
from gateways.xds.serve import XdsServer, handlers  # noqa: E402
from gateways.xds.wire import Bodies  # noqa: E402
from tests.bench.xds_content import CHANGED, changed, content, shown  # noqa: E402

VIEW = "all"


def resident() -> float:
    """MB (10^6 bytes) of this process now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 1e6


def processor() -> float:
    """Seconds of processor time of this process so far."""
    spent = resource.getrusage(resource.RUSAGE_SELF)
    return spent.ru_utime + spent.ru_stime


class Floor:
    """The same answers on the same port, ready made, by who reads nothing: what gRPC and TLS cost by themselves."""

    def __init__(self, folder: Path) -> None:
        self._streams = 0
        snapshot, bodies = content(), Bodies()
        every = (Response(type_url=one, nonce="1", resources=tuple(snapshot[one].values())) for one in (CDS, EDS, LDS))
        self._answers = [bodies.delta(one) for one in every]
        self._shows = _configuration((shown(folder, "server"), (folder / "anchor.pem").read_text()))

    async def run(self) -> None:
        server = grpc.aio.server(options=OPTIONS)
        server.add_generic_rpc_handlers((handlers(self._serve),))
        secure = grpc.dynamic_ssl_server_credentials(self._shows, lambda: None, True)
        port = server.add_secure_port("127.0.0.1:0", secure)
        await server.start()
        print(json.dumps({"port": port}), flush=True)
        while await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline):
            print(json.dumps({"processor": processor(), "streams": self._streams}), flush=True)

    async def _serve(self, variant: Variant, requests: AsyncIterator[Any], context: Any) -> None:
        """A client asks and acknowledges in turn."""
        self._streams += 1
        for answer in self._answers:
            await anext(requests)
            await context.write(answer)
            await anext(requests)
        await asyncio.Event().wait()


class Child:
    """The server, fed with the content whenever somebody wants it."""

    def __init__(self, folder: Path, kind: str) -> None:
        self._folder = folder
        self._snapshot = content()
        self._changes = 0
        current = (shown(folder, "server"), (folder / "anchor.pem").read_text())
        self.server: CentralServer | XdsServer
        if kind == "central":
            self.server = CentralServer(lambda: current, lambda identity, kind: VIEW)
        else:
            self.server = XdsServer(folder / "xds.sock")

    async def run(self) -> None:
        port = 0
        if isinstance(self.server, CentralServer):
            await self.server.start("127.0.0.1:0")
            port = self.server.port
        else:
            await self.server.start()
        self._offer(None)
        print(json.dumps({"port": port}), flush=True)
        feeding = asyncio.create_task(self._feed())
        loop = asyncio.get_running_loop()
        while line := await loop.run_in_executor(None, sys.stdin.readline):
            answer = await self._change() if line.strip() == "change" else self._stat()
            print(json.dumps(answer), flush=True)
        feeding.cancel()

    def _offer(self, what: set[tuple[str, str]] | None) -> None:
        if isinstance(self.server, CentralServer):
            self.server.offer(VIEW, self._snapshot, what)
        else:
            self.server.offer(self._snapshot, what)

    async def _feed(self) -> None:
        wanted = frozenset[str]()
        while isinstance(self.server, CentralServer):
            await self.server.changed.wait()
            self.server.changed.clear()
            if self.server.wanted != wanted:
                wanted = self.server.wanted
                self._offer(None)

    def _stat(self) -> dict[str, object]:
        streams = self.server.streams if isinstance(self.server, CentralServer) else len(self.server._hub.clients)
        return {
            "resident": resident(),
            "processor": processor(),
            "streams": streams,
            "settled": self.server.settled(),
        }

    async def _change(self) -> dict[str, object]:
        self._changes += 1
        one = changed(self._changes)
        self._snapshot = {**self._snapshot, EDS: {**self._snapshot[EDS], CHANGED: one}}
        began = time.monotonic()
        self._offer({(EDS, CHANGED)})
        while not self.server.settled():  # noqa: ASYNC110 - what is awaited is a state of all streams
            await asyncio.sleep(0.002)
        return {"began": began, "settled": time.monotonic()}


if __name__ == "__main__":
    place, way = Path(sys.argv[1]), sys.argv[2]
    asyncio.run(Floor(place).run() if way == "floor" else Child(place, way).run())
