"""HTTP over a unix socket that only the controller's user may open."""

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import msgspec
from aiohttp import web
from prometheus_client import generate_latest

from federation.model.errors import InputError, IsthmusError
from federation.model.names import ServiceKey, parse_subject
from federation.process import answers


class Wishing(Protocol):
    """What the member asks of the ledger: other anchors, or to leave."""

    def trust(self) -> dict[str, Any]:
        """What is known of it."""

    def wish(self, member: str) -> dict[str, Any]:
        """What this member wants of the ledger. IsthmusError."""

    async def rotate(self, excluded: tuple[str, ...]) -> dict[str, Any]:
        """Begin it, or wait no longer for these. IsthmusError."""

    async def abort(self) -> dict[str, Any]:
        """Give it up. IsthmusError."""

    def membership(self) -> dict[str, Any]:
        """Whether it asks to leave."""

    async def leave(self) -> dict[str, Any]:
        """Ask to leave. IsthmusError."""

    async def stay(self) -> dict[str, Any]:
        """Ask no more. IsthmusError."""


class Routes(Protocol):
    """More of the same surface."""

    def add_to(self, app: web.Application) -> None:
        """Serve them there."""


def living() -> web.Application:
    """An application with what every controller answers: /healthz and /metrics."""
    app = web.Application()
    app.router.add_get("/healthz", _healthz)
    app.router.add_get("/metrics", _metrics)
    return app


async def _healthz(request: web.Request) -> web.Response:
    return web.Response(text="ok\n")


async def _metrics(request: web.Request) -> web.Response:
    return web.Response(body=generate_latest(), content_type="text/plain")


class Api:
    """Routes: /healthz, /metrics, /v1/status, /v1/explain?of=NS/NAME&from=MEMBER&at=MS (or of=HOST), /v1/trust,
    /v1/trust/wish?member=NAME, /v1/leave; by POST /v1/trust/rotate?exclude=NAME (may be repeated), /v1/trust/abort,
    /v1/leave and /v1/leave/abort; and those of `beside`.
    """

    def __init__(
        self,
        status: Callable[[], dict[str, Any]],
        explain: Callable[..., dict[str, Any]],
        wishing: Wishing,
        beside: Sequence[Routes] = (),
    ) -> None:
        self._status = status
        self._explain = explain
        self._wishing = wishing
        self._beside = beside

    async def start(self, socket: Path) -> web.AppRunner:
        """Listen; the caller cleans the runner up. InputError (E122) when another controller answers there."""
        app = living()
        app.router.add_get("/v1/status", self._get_status)
        app.router.add_get("/v1/explain", self._get_explain)
        app.router.add_get("/v1/trust", self._get_trust)
        app.router.add_get("/v1/trust/wish", self._get_wish)
        app.router.add_post("/v1/trust/rotate", self._post_rotate)
        app.router.add_post("/v1/trust/abort", self._post_abort)
        app.router.add_get("/v1/leave", self._get_leave)
        app.router.add_post("/v1/leave", self._post_leave)
        app.router.add_post("/v1/leave/abort", self._post_stay)
        for routes in self._beside:
            routes.add_to(app)
        return await listen_on(app, socket)

    async def _get_status(self, request: web.Request) -> web.Response:
        return reply(self._status())

    async def _get_explain(self, request: web.Request) -> web.Response:
        try:
            return reply(self._explain(*explain_asked(request)))
        except IsthmusError as error:
            return refusal(error)

    async def _get_trust(self, request: web.Request) -> web.Response:
        return reply(self._wishing.trust())

    async def _get_wish(self, request: web.Request) -> web.Response:
        try:
            return reply(self._wishing.wish(request.query.get("member", "")))
        except IsthmusError as error:
            return refusal(error)

    async def _post_rotate(self, request: web.Request) -> web.Response:
        return await answered(self._wishing.rotate(tuple(request.query.getall("exclude", []))))

    async def _post_abort(self, request: web.Request) -> web.Response:
        return await answered(self._wishing.abort())

    async def _get_leave(self, request: web.Request) -> web.Response:
        return reply(self._wishing.membership())

    async def _post_leave(self, request: web.Request) -> web.Response:
        return await answered(self._wishing.leave())

    async def _post_stay(self, request: web.Request) -> web.Response:
        return await answered(self._wishing.stay())


async def listen_on(app: web.Application, socket: Path) -> web.AppRunner:
    """Serve this on the socket. InputError (E122) when another controller answers there."""
    if await answers(socket):
        raise InputError(f"{socket}: another controller is running on this state folder; stop it first", "E122")
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    socket.unlink(missing_ok=True)
    await web.UnixSite(runner, str(socket)).start()
    socket.chmod(0o600)
    return runner


def explain_asked(request: web.Request) -> tuple[ServiceKey | str, str, int]:
    """Of what, from where, at which Unix millisecond. InputError."""
    what = parse_subject(request.query.get("of", ""))
    at = request.query.get("at", "0")
    if not (at.isascii() and at.isdigit() and len(at) <= 14):
        raise InputError(f'at "{at}": must be Unix milliseconds')
    return what, request.query.get("from", ""), int(at)


async def answered(asked: Awaitable[dict[str, Any]]) -> web.Response:
    """What was asked for as JSON, or why not."""
    try:
        return reply(await asked)
    except IsthmusError as error:
        return refusal(error)


def refusal(error: IsthmusError) -> web.Response:
    """The answer to a mistake: its code and text."""
    return reply({"code": error.code, "error": error.text}, 404 if error.code == "E104" else 400)


def reply(value: dict[str, Any], code: int = 200) -> web.Response:
    """This value as JSON."""
    return web.Response(body=msgspec.json.encode(value), content_type="application/json", status=code)
