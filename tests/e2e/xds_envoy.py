"""A real Envoy on our xDS server on a unix socket, in either variant, and plain HTTP servers behind it."""

import asyncio
import json
import subprocess
import threading
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from gateways.binary import find_envoy
from gateways.render.envoy.bootstrap import bootstrap
from gateways.xds.messages import Response, WorldResponse
from gateways.xds.serve import XdsServer
from gateways.xds.wire import Bodies
from tests.worlds.ports import free_port

VARIANTS = ("DELTA_GRPC", "GRPC")


class Backend:
    """Answers every request with its own name."""

    def __init__(self, name: str) -> None:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("content-length", str(len(name)))
                self.end_headers()
                self.wfile.write(name.encode())

            def log_message(self, *what: object) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)


class Counting(Bodies):
    """Remembers every response."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[tuple[str, tuple[str, ...]]] = []

    def delta(self, response: Response) -> bytes:
        self.sent.append((response.type_url, tuple(one.name for one in response.resources)))
        return super().delta(response)

    def world(self, response: WorldResponse) -> bytes:
        self.sent.append((response.type_url, tuple(one.name for one in response.resources)))
        return super().world(response)


class Bed:
    """The server and one Envoy. `sent` are the types and names of all responses of the server that runs now."""

    def __init__(self, folder: Path, variant: str) -> None:
        self.port = free_port()
        self._folder = folder
        self._variant = variant
        self._path = folder / "xds.sock"

    async def serve(self) -> None:
        """Start a server that knows nothing."""
        self.server = XdsServer(self._path)
        counting = self.server._hub._bodies = Counting()
        self.sent = counting.sent
        await self.server.start()

    def spawn(self) -> None:
        """Start Envoy."""
        config = bootstrap("n1", "us-east", "us", str(self._path), str(self._folder / "admin.sock"))
        resources: Any = config["dynamic_resources"]
        resources["ads_config"]["api_type"] = self._variant
        file = self._folder / "envoy.json"
        file.write_text(json.dumps(config))
        command = [find_envoy(), "-c", str(file), "--concurrency", "1", "--use-dynamic-base-id", "-l", "warning"]
        with (self._folder / "log").open("w") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()

    async def get(self) -> str:
        """The name of the backend that answers, or the status."""
        return await asyncio.to_thread(self._get)

    def _get(self) -> str:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/", timeout=5) as answer:
                return str(answer.read().decode())
        except urllib.error.HTTPError as error:
            return str(error.code)
        except OSError as error:
            return type(error).__name__

    async def until(self, condition: Callable[[], object], seconds: float = 10) -> None:
        """Poll for at most this long."""
        try:
            async with asyncio.timeout(seconds):
                while not condition():  # noqa: ASYNC110 - what is awaited is a state, not an event
                    await asyncio.sleep(0.01)
        except TimeoutError:
            raise AssertionError(f"not so: {self.server.problems()} {(self._folder / 'log').read_text()}") from None

    async def answers(self, *names: str) -> None:
        """Wait until one of these answers."""
        async with asyncio.timeout(10):
            while await self.get() not in names:  # noqa: ASYNC110 - what is awaited is a state of Envoy
                await asyncio.sleep(0.02)


@asynccontextmanager
async def envoy_bed(folder: Path, variant: str) -> AsyncIterator[Bed]:
    bed = Bed(folder, variant)
    await bed.serve()
    bed.spawn()
    try:
        yield bed
    finally:
        bed.stop()
        await bed.server.stop()
