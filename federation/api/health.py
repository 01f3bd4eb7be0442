"""/livez and /readyz for Kubernetes probes, on an address of their own: whether, or why not, and no more."""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web

from federation.model.errors import InputError
from federation.telemetry import split_address


class Health:
    """`unready` is asked at each probe: why this program should not be relied on now; empty when it can be."""

    def __init__(self) -> None:
        self.unready: Callable[[], str] = lambda: "starting"

    async def start(self, address: str) -> web.AppRunner:
        """Serve on `ip:port`; the caller cleans the runner up. InputError when the port is in use."""
        host, port = split_address(address, "--health")
        app = web.Application()
        app.router.add_get("/livez", self._livez)
        app.router.add_get("/readyz", self._readyz)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError as error:
            await runner.cleanup()
            text = f'--health "{address}": {error.strerror}; choose another address or port'
            raise InputError(text, "E122") from None
        return runner

    async def _livez(self, request: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def _readyz(self, request: web.Request) -> web.Response:
        why = self.unready()
        return web.Response(text=f"{why or 'ok'}\n", status=503 if why else 200)
