"""A real Envoy fed by our xDS server, as an agent feeds it: for tests that are not coroutines themselves."""

import asyncio
import json
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any

from aiohttp import ClientError, ClientSession, UnixConnector

from gateways.binary import find_envoy
from gateways.render.envoy.bootstrap import bootstrap
from gateways.render.envoy.resources import Part
from gateways.xds.encode import Encoder
from gateways.xds.serve import XdsServer

SECONDS = 30
DRAIN_SECONDS = 3
"""How long an Envoy leaves connections of a filter chain that is no more; by default 600."""


class FedEnvoy:
    """Runs until the block ends; `put` has it hold these parts."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="envoy-")
        self.path = Path(self._folder.name)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._encoder = Encoder()

    def __enter__(self) -> "FedEnvoy":
        self._thread.start()
        self._xds = self._run(self._start())
        sockets = str(self.path / "xds.sock"), str(self.path / "admin.sock")
        (self.path / "bootstrap.json").write_text(json.dumps(bootstrap("g1", "eu-central", "eu", *sockets)))
        self._log = (self.path / "log").open("w")
        command = [find_envoy(), "-c", str(self.path / "bootstrap.json"), "--concurrency", "1", "-l", "warning"]
        command += ["--use-dynamic-base-id", "--drain-time-s", str(DRAIN_SECONDS), "--drain-strategy", "immediate"]
        self.process = subprocess.Popen(command, stdout=self._log, stderr=subprocess.STDOUT)
        return self

    def __exit__(self, *what: object) -> None:
        self.process.kill()
        self.process.wait()
        self._run(self._xds.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()
        self._log.close()
        self._folder.cleanup()

    def put(self, groups: Mapping[str, tuple[Part, ...]]) -> None:
        """Comes back when Envoy has acknowledged all of it."""
        self._run(self._offer(groups))
        self.until("Envoy holds everything", lambda: self._xds.settled() or self._refused())

    def stats(self, pattern: str) -> dict[str, int]:
        """Counters and gauges whose names match the pattern."""
        lines = (line.rpartition(": ") for line in self.ask(f"/stats?filter={pattern}").splitlines())
        return {name: int(value) for name, _, value in lines if value.isdigit()}

    def ask(self, path: str) -> str:
        """What the admin interface answers."""
        return str(self._run(self._ask(path)))

    def until(self, what: str, check: Callable[[], Any]) -> Any:
        """Wait for a condition; AssertionError with the end of Envoy's log."""
        end = time.monotonic() + SECONDS
        while time.monotonic() < end and self.process.poll() is None:
            found = check()
            if found:
                return found
            threading.Event().wait(0.01)
        raise AssertionError(f"{what}: not in {SECONDS} s; {(self.path / 'log').read_text()[-2000:]}")

    def _refused(self) -> bool:
        problems = self._xds.problems()
        assert problems == (), problems
        return False

    def _run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(SECONDS)

    async def _start(self) -> XdsServer:
        server = XdsServer(self.path / "xds.sock")
        await server.start()
        return server

    async def _offer(self, groups: Mapping[str, tuple[Part, ...]]) -> None:
        encoded = self._encoder.encode(groups)
        assert encoded.problems == ()
        self._xds.offer(encoded.snapshot)

    async def _ask(self, path: str) -> str:
        try:
            async with (
                ClientSession(connector=UnixConnector(str(self.path / "admin.sock"))) as session,
                session.get(f"http://envoy{path}") as answer,
            ):
                return await answer.text()
        except ClientError:
            return ""
