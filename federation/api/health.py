"""/livez and /readyz for Kubernetes probes, on an address of their own: whether, or why not, and no more."""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web

from federation.link.site import listening


class Health:
    """`unready` is asked at each probe: why this program should not be relied on now; empty when it can be."""

    def __init__(self) -> None:
        self.unready: Callable[[], str] = lambda: "starting"

    async def start(self, address: str) -> web.AppRunner:
        """Serve on `ip:port`; the caller cleans the runner up. InputError when the port is in use."""
        app = web.Application()
        app.router.add_get("/livez", self._livez)
        app.router.add_get("/readyz", self._readyz)
        return await listening("--health", app, address)

    async def _livez(self, request: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def _readyz(self, request: web.Request) -> web.Response:
        why = self.unready()
        return web.Response(text=f"{why or 'ok'}\n", status=503 if why else 200)
