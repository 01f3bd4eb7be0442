"""Our xDS server as a process of its own: `xds_server_child.py FOLDER central|unix`. A JSON line answers each line of stdin.

`stat`: resident MB, processor seconds, streams, whether every client acknowledged everything. `change`: one endpoint
more; when it was offered, and then when the last stream acknowledged it (monotonic seconds, which all processes share).
"""

import asyncio
import json
import resource
import sys
import time
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[2])

from gateways.xds.central import CentralServer  # noqa: E402
from gateways.xds.messages import EDS  # noqa: E402
from gateways.xds.serve import XdsServer  # noqa: E402
from tests.bench.xds_content import CHANGED, changed, content, shown  # noqa: E402

VIEW = "all"


def resident() -> float:
    """MB (10^6 bytes) of this process now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 1e6


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
        spent = resource.getrusage(resource.RUSAGE_SELF)
        streams = self.server.streams if isinstance(self.server, CentralServer) else len(self.server._hub.clients)
        return {
            "resident": resident(),
            "processor": spent.ru_utime + spent.ru_stime,
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
    asyncio.run(Child(Path(sys.argv[1]), sys.argv[2]).run())
