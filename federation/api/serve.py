"""HTTP over a unix socket that only the controller's user may open."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import web
from prometheus_client import generate_latest

from federation.model.errors import InputError, IsthmusError
from federation.model.names import parse_subject
from federation.process import answers


class Api:
    """Routes: /healthz, /metrics, /v1/status, /v1/explain?of=NS/NAME&from=MEMBER&at=MS (or of=HOST)."""

    def __init__(self, status: Callable[[], dict[str, Any]], explain: Callable[..., dict[str, Any]]) -> None:
        self._status = status
        self._explain = explain

    async def start(self, socket: Path) -> web.AppRunner:
        """Listen; the caller cleans the runner up. InputError (E122) when another controller answers there."""
        if await answers(socket):
            raise InputError(f"{socket}: another controller is running on this state folder; stop it first", "E122")
        app = web.Application()
        app.router.add_get("/healthz", self._healthz)
        app.router.add_get("/metrics", self._metrics)
        app.router.add_get("/v1/status", self._get_status)
        app.router.add_get("/v1/explain", self._get_explain)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        socket.unlink(missing_ok=True)
        await web.UnixSite(runner, str(socket)).start()
        socket.chmod(0o600)
        return runner

    async def _healthz(self, request: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def _metrics(self, request: web.Request) -> web.Response:
        return web.Response(body=generate_latest(), content_type="text/plain")

    async def _get_status(self, request: web.Request) -> web.Response:
        return _json(self._status())

    async def _get_explain(self, request: web.Request) -> web.Response:
        try:
            what = parse_subject(request.query.get("of", ""))
            at = request.query.get("at", "0")
            if not (at.isascii() and at.isdigit() and len(at) <= 14):
                raise InputError(f'at "{at}": must be Unix milliseconds')
            return _json(self._explain(what, request.query.get("from", ""), int(at)))
        except IsthmusError as error:
            return _json({"code": error.code, "error": error.text}, 404 if error.code == "E104" else 400)


def _json(value: dict[str, Any], code: int = 200) -> web.Response:
    return web.Response(body=msgspec.json.encode(value), content_type="application/json", status=code)
